"""`mlops tune`: through DVC; `mlops tune worker`: take part in a search that another one began."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.tune_worker import TuneWorkerResult
    from mlops_cli.pipeline.result import RunResult

Worker = StrEnum("Worker", "worker")


def tune_command(
    part: Annotated[
        Worker | None, typer.Argument(metavar="[worker]", help="Take steps of a shared search.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Try the champion's first: sets tune.first.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for parameters."""

    def run() -> RunResult:
        if update:
            from mlops_cli.actions.go_on import try_champion_first
            from mlops_cli.config.load import load_project

            try_champion_first(load_project(project, env=env))
        return run_stages(("tune",), Asked(project, env, as_json))

    def join() -> TuneWorkerResult:
        from mlops_cli.actions.tune_worker import tune_worker
        from mlops_cli.config.load import load_project

        return tune_worker(load_project(project, env=env), progress=TerminalProgress())

    if part is None:
        execute("tune", run, render_run, as_json=as_json)
    else:
        execute("tune", join, _render, as_json=as_json)


def _render(result: TuneWorkerResult) -> None:
    typer.echo(f"the search is over: {result.trials} trials, {result.taken} of them worked on here")
