"""`mlops reproduce`: is what is registered what its commit and data make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_reproduce
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.reproduce import ReproduceResult


def reproduce_command(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="12 digits; default: the champion.")
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="With the packages of this environment.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version again, and compare."""

    def work() -> ReproduceResult:
        from mlops_cli.actions.reproduce import reproduce
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return reproduce(loaded, version, here=here, progress=TerminalProgress())

    def differs(result: ReproduceResult) -> int:
        from mlops_cli.errors import GateError

        return GateError.exit_code if result.verdict == "different" else 0

    execute("reproduce", work, render_reproduce, as_json=as_json, exit_code=differs)
