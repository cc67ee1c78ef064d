"""`mlops audit`: what happened, by whom, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_audit

if TYPE_CHECKING:
    from mlops_cli.actions.audit import AuditResult


def audit_command(
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Hold it to the registry's copies and to what git has."),
    ] = False,
    pull: Annotated[
        bool, typer.Option("--pull", help="First take in what the registry has, and the file not.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="First resolve a merge: every line of both sides.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """What happened to the models, by whom and why: the audit log."""

    def work() -> AuditResult:
        from mlops_cli.actions.audit import audit_log
        from mlops_cli.config.load import load_project

        found = load_project(project, env=env)
        return audit_log(found, verify=verify, take_in=pull, repair=repair)

    def unsure(result: AuditResult) -> int:
        from mlops_cli.errors import InconclusiveError

        return InconclusiveError.exit_code if verify and result.verified is None else 0

    execute("audit", work, render_audit, as_json=as_json, exit_code=unsure)
