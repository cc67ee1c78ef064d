"""`mlops approve`: a version that waits, in a role."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_approve
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import (
    EnvOption,
    JsonOption,
    ProjectOption,
    ReasonOption,
    VersionArgument,
)

if TYPE_CHECKING:
    from mlops_cli.actions.approve import ApproveResult


def approve_command(
    version: VersionArgument = None,
    role: Annotated[
        str | None, typer.Option("--role", metavar="ROLE", help="One of register.approvals.")
    ] = None,
    reason: ReasonOption = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="An OpenSSH key that signs it.")
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option("--reviewer", metavar="github:LOGIN", help="For whom a build speaks."),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Metrics, gates, drift, and what changed.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve, or show what there is to be looked at."""

    def work() -> ApproveResult:
        from mlops_cli.actions.approve import approve
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return approve(
            loaded, version, role=role, reason=reason, show=show, reviewer=reviewer, key=key
        )

    execute("approve", work, render_approve, as_json=as_json)
