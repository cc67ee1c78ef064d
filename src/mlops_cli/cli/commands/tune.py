"""`mlops tune`: through DVC; `mlops tune worker`: take part in a search that another one began."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run

if TYPE_CHECKING:
    from mlops_cli.actions.tune_worker import TuneWorkerResult


class Part(StrEnum):
    """Which part of a search to take."""

    worker = "worker"


def tune_command(
    part: Annotated[
        Part | None, typer.Argument(metavar="[worker]", help="Take steps of a shared search.")
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for parameters."""
    asked = Asked(project, env, as_json)
    if part is None:
        execute("tune", lambda: run_stages(("tune",), asked), render_run, as_json=as_json)
        return

    def work() -> TuneWorkerResult:
        from mlops_cli.actions.tune_worker import tune_worker
        from mlops_cli.cli.terminal import TerminalProgress
        from mlops_cli.config.load import load_project

        return tune_worker(load_project(project, env=env), progress=TerminalProgress())

    execute("tune", work, _render, as_json=as_json)


def _render(result: TuneWorkerResult) -> None:
    typer.echo(f"the search is over: {result.trials} trials, {result.taken} of them worked on here")
