"""`mlops erase`: one subject leaves every place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_erase
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.erase import EraseResult


def erase_command(
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="COLUMN=VALUE", help="Whom to erase.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be erased; change nothing.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Every place that may hold a subject.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a subject."""

    def work() -> EraseResult:
        from mlops_cli.actions.erase import erase
        from mlops_cli.config.load import load_project
        from mlops_cli.errors import UsageError

        if (subject is None) != list_:
            raise UsageError("name whom to erase, or ask for --list", hint="mlops erase --help")
        loaded = load_project(project, env=env)
        return erase(loaded, subject, dry_run=dry_run, progress=TerminalProgress())

    def failed(result: EraseResult) -> int:
        from mlops_cli.errors import EnvironmentFault, GateError

        if result.failed:
            return EnvironmentFault.exit_code
        return GateError.exit_code if result.waiting else 0

    execute("erase", work, render_erase, as_json=as_json, exit_code=failed)
