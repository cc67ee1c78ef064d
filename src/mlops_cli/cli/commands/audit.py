"""`mlops audit`: what happened, by whom, and whether the record of it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.colour import paint
from mlops_cli.cli.execute import execute
from mlops_cli.cli.look import Row, row
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.audit import AuditResult
    from mlops_cli.audit.entry import Entry


def audit_command(
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Hold it to the registry's copies and to what git has."),
    ] = False,
    pull: Annotated[
        bool, typer.Option("--pull", help="First take in what the registry has, and the file not.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """What happened to the models, by whom and why: the audit log."""

    def work() -> AuditResult:
        from mlops_cli.actions.audit import audit_log
        from mlops_cli.config.load import load_project

        return audit_log(load_project(project, env=env), verify=verify, take_in=pull)

    def unsure(result: AuditResult) -> int:
        from mlops_cli.errors import InconclusiveError

        return InconclusiveError.exit_code if verify and result.verified is None else 0

    execute("audit", work, _render, as_json=as_json, exit_code=unsure)


def _render(result: AuditResult) -> None:
    echo_rows(map(_row, result.entries))
    if result.verified:
        anchors = ", ".join(dict.fromkeys(a.where for a in result.anchors if a.state == "ok"))
        typer.echo(
            f"{paint('verified', 'green')}: {len(result.entries)} entries, against {anchors}"
        )


def _row(entry: Entry) -> Row:
    version = entry.subject.get("digest", "")[:12]
    target = f"on {entry.subject['target']}" if "target" in entry.subject else ""
    what = " ".join(filter(None, [entry.action, version, target, entry.outcome]))
    reason = f": {entry.reason}" if entry.reason else ""
    return row(entry.time, entry.id[:12], f"{what}{reason}  ({entry.actor})")
