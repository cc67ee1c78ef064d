"""`mlops run [STAGE...]`, and each stage by its own name: through DVC, only what changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from mlops_cli.cli.frame import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.stage import UNDER_RUN
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.config.load import ENV_VARIABLE, load_project
from mlops_cli.pipeline.run import RunResult, run
from mlops_cli.stages import STAGES, Stage


def run_command(
    stages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STAGE]...", help="Default: all; what they need runs too."),
    ] = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the pipeline through DVC: only what changed."""
    _run("run", tuple(stages or ()), project, env=env, as_json=as_json)


def stage_commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """A command for each stage of the table."""
    for stage in STAGES:
        yield stage.name, _command(stage)


def _command(stage: Stage) -> Callable[..., None]:
    def command(
        project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
    ) -> None:
        _run(stage.name, (stage.name,), project, env=env, as_json=as_json)

    summary = stage.summary[:1].upper() + stage.summary[1:]
    command.__doc__ = f"{summary}; what it needs is brought up to date before."
    return command


def _run(
    name: str, targets: tuple[str, ...], folder: Path | None, *, env: str | None, as_json: bool
) -> None:
    os.environ[UNDER_RUN] = "1"
    if env:
        os.environ[ENV_VARIABLE] = env  # for the stages, which DVC starts

    def work() -> RunResult:
        project = load_project(folder, env=env)
        return run(project, *targets, progress=TerminalProgress())

    execute(name, work, _render, as_json=as_json)


def _render(result: RunResult) -> None:
    width = max(len(stage.name) for stage in result.stages)
    for stage in result.stages:
        took = f"{stage.seconds:6.1f} s" if stage.seconds is not None else ""
        typer.echo(f"{stage.name:<{width}}  {stage.state:<9} {took}".rstrip())
    typer.echo(f"{'':<{width}}  in {result.seconds:.1f} s")
