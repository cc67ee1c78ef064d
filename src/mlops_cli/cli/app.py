"""The Typer application that the commands hang in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from mlops_cli.cli.commands.config import config_command
from mlops_cli.cli.commands.demo import demo_command
from mlops_cli.cli.commands.deploy import deploy_command
from mlops_cli.cli.commands.doctor import doctor_command
from mlops_cli.cli.commands.drift import drift_command
from mlops_cli.cli.commands.init import init_command
from mlops_cli.cli.commands.logs import logs_command
from mlops_cli.cli.commands.package import package_command
from mlops_cli.cli.commands.report import report_command
from mlops_cli.cli.commands.run import register_command, run_command, stage_commands
from mlops_cli.cli.commands.score import score_command
from mlops_cli.cli.commands.serve import serve_command
from mlops_cli.cli.commands.status import status_command
from mlops_cli.cli.commands.validate import validate_command

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help costs more than all else that `mlops --help` does
    pretty_exceptions_enable=False,
    help="Takes a tabular model from a notebook to production and keeps it healthy there.",
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"mlops {version('mlops-cli')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command("init")(init_command)
app.command("run")(run_command)
_own: dict[str, Callable[..., None]] = {
    "validate": validate_command,
    "register": register_command,
    "package": package_command,
}
for _name, _command in stage_commands():
    app.command(_name)(_own.get(_name, _command))
app.command("deploy")(deploy_command)
app.command("logs")(logs_command)
app.command("drift")(drift_command)
app.command("report")(report_command)
app.command("serve")(serve_command)
app.command("score")(score_command)
app.command("status")(status_command)
app.command("doctor")(doctor_command)
app.command("config")(config_command)
app.command("demo")(demo_command)
