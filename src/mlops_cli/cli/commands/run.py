"""`mlops run [STAGE...]`: the pipeline through DVC, only what changed."""

from __future__ import annotations

from typing import Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, FirstOption, JsonOption, ProjectOption
from mlops_cli.cli.pipeline import Asked, run_stages
from mlops_cli.cli.rendering import render_run
from mlops_cli.stages import STAGES


def run_command(
    stages: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[STAGE]...",
            help="Default: all; what they need runs too.",
            autocompletion=lambda: [stage.name for stage in STAGES],
        ),
    ] = None,
    first: FirstOption = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run also what did not change, and what it needs.")
    ] = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the pipeline, or some of its stages."""
    targets, asked = tuple(stages or ()), Asked(project, env, as_json, first, force=force)
    execute("run", lambda: run_stages(targets, asked), render_run, as_json=as_json)
