"""`mlops promote`: what was approved becomes the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_promote
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import (
    EnvOption,
    JsonOption,
    ProjectOption,
    ReasonOption,
    VersionArgument,
)
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.promote import PromoteResult


def promote_command(
    version: VersionArgument = None,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Without approvals; needs --reason.")
    ] = False,
    reason: ReasonOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the version the champion."""

    def work() -> PromoteResult:
        from mlops_cli.actions.promote import promote
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return promote(
            loaded, version, break_glass=break_glass, reason=reason, progress=TerminalProgress()
        )

    execute("promote", work, render_promote, as_json=as_json)
