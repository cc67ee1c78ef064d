"""`mlops train`: through DVC, from nothing or on from the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run

if TYPE_CHECKING:
    from mlops_cli.pipeline.result import RunResult


def train_command(
    update: Annotated[
        bool, typer.Option("--update", help="Go on from the champion: sets train.update.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the model with the best parameters, and judge it."""

    def work() -> RunResult:
        if update:
            from mlops_cli.actions.go_on import go_on_from_champion
            from mlops_cli.config.load import load_project

            go_on_from_champion(load_project(project, env=env))
        return run_stages(("train",), Asked(project, env, as_json))

    execute("train", work, render_run, as_json=as_json)
