"""`mlops status`: where the project stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_status

if TYPE_CHECKING:
    from mlops_cli.actions.status import StatusResult


def status_command(
    project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
) -> None:
    """Stages, metrics, champion, what is deployed, drift, and what is missing."""

    def work() -> StatusResult:
        from mlops_cli.actions.status import status
        from mlops_cli.config.load import load_project

        return status(load_project(project, env=env))

    execute("status", work, render_status, as_json=as_json)
