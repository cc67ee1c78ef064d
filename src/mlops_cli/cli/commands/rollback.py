"""`mlops rollback`: the champion before, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_rollback
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, ReasonOption
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.rollback import RollbackResult


def rollback_command(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Default: the next older champion."),
    ] = None,
    reason: ReasonOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to an older champion."""

    def work() -> RollbackResult:
        from mlops_cli.actions.rollback import rollback
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return rollback(loaded, to=to, reason=reason, progress=TerminalProgress())

    execute("rollback", work, render_rollback, as_json=as_json)
