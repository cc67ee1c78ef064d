"""`mlops reject`: a version that waits goes no further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.decisions import render_reject
from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption

if TYPE_CHECKING:
    from mlops_cli.actions.reject import RejectResult


def reject_command(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="12 digits.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stands in the audit log.")
    ],
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a version."""

    def work() -> RejectResult:
        from mlops_cli.actions.reject import reject
        from mlops_cli.config.load import load_project

        loaded = load_project(project, env=env)
        return reject(loaded, version, reason=reason)

    execute("reject", work, render_reject, as_json=as_json)
