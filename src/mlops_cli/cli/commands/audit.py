"""`mlops audit`: what happened, by whom, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_audit

if TYPE_CHECKING:
    from mlops_cli.reports.audit import AuditResult


def audit_command(
    verify: Annotated[bool, typer.Option("--verify", help="Hold it to all its anchors.")] = False,
    pull: Annotated[
        bool, typer.Option("--pull", help="First take in what the registry has, and the file not.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="First resolve a merge: every line of both sides.")
    ] = False,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="As it was then; UTC.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="VERSION", help="That version's whole life.")
    ] = None,
    form: Annotated[
        Literal["csv", "html"] | None, typer.Option("--format", help="A table, or a page.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """What happened to the models, by whom and why: the audit log."""

    def work() -> AuditResult:
        from mlops_cli.actions.audit import Asked, audit_log, moment
        from mlops_cli.config.load import load_project

        asked, found = Asked(moment(at) if at else None, subject), load_project(project, env=env)
        return audit_log(found, verify=verify, take_in=pull, repair=repair, asked=asked)

    def unsure(result: AuditResult) -> int:
        from mlops_cli.errors import InconclusiveError

        return InconclusiveError.exit_code if verify and result.verified is None else 0

    def render(result: AuditResult) -> None:
        from mlops_cli.reports.audit import as_csv, as_html

        if form is None:
            render_audit(result)
        else:
            typer.echo({"csv": as_csv, "html": as_html}[form](result), nl=False)

    execute("audit", work, render, as_json=as_json, exit_code=unsure)
