"""`mlops doctor`: what is missing on this machine, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import execute
from mlops_cli.cli.look import row
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_rows
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from mlops_cli.actions.doctor import DoctorResult
    from mlops_cli.config.project import Project


def doctor_command(
    deep: Annotated[
        bool, typer.Option("--deep", help="Import and exercise every library, a server included.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check this machine by doing a small project's work; and the project, where there is one."""

    def work() -> DoctorResult:
        from mlops_cli.actions.doctor import doctor
        from mlops_cli.config.load import load_project
        from mlops_cli.config.root import find_project

        try:
            find_project(project)
        except UsageError:
            if project is not None:
                raise
            loaded: Project | None = None
        else:
            loaded = load_project(project, env=env)
        return doctor(loaded, deep=deep, progress=TerminalProgress())

    execute("doctor", work, _render, as_json=as_json, exit_code=_exit_code)


def _exit_code(result: DoctorResult) -> int:
    return 0 if result.healthy else EnvironmentFault.exit_code


def _render(result: DoctorResult) -> None:
    failed = [check for check in result.checks if not check.healthy]
    echo_rows(row(c.name, f"{c.found}; {c.hint or 'see above'}", colour="red") for c in failed)
    if failed:
        typer.echo(paint(f"{len(failed)} check{'s' if len(failed) > 1 else ''} failed", "red"))
    else:
        typer.echo(paint("all checks passed", "green"))
