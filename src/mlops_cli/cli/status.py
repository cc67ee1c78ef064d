"""`mlops status`: where am I."""

from __future__ import annotations

import typer

from mlops_cli._adapters import load_adapter
from mlops_cli.cli.frame import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.state import stage_states
from mlops_cli.stages.status import StatusResult, status


def status_command(
    project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
) -> None:
    """Stages, metrics, champion, what is deployed, drift, and what is missing."""

    def work() -> StatusResult:
        loaded = load_project(project, env=env)
        return status(loaded, stages=stage_states(loaded))

    execute("status", work, _render, as_json=as_json)


def _render(result: StatusResult) -> None:
    typer.echo("")
