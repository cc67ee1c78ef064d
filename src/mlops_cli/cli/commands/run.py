"""`mlops run [STAGE...]`, and each stage by its own name: through DVC, only what changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.faults import UNDER_RUN
from mlops_cli.cli.options import EnvOption, FirstOption, JsonOption, ProjectOption
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.stages import FIRST, STAGES, Stage

if TYPE_CHECKING:
    from mlops_cli.pipeline.result import RunResult


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a command that runs stages."""

    project: Path | None
    env: str | None
    as_json: bool
    first: bool = False


def run_command(
    stages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STAGE]...", help="Default: all; what they need runs too."),
    ] = None,
    first: FirstOption = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the pipeline through DVC: only what changed."""
    targets, asked = tuple(stages or ()), Asked(project, env, as_json, first)
    work = _deciding if first else run_stages
    execute("run", lambda: work(targets, asked), render_run, as_json=as_json)


def register_command(
    first: FirstOption = False,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the model to its gates and make it the champion; what it needs runs before."""
    asked = Asked(project, env, as_json, first)
    execute("register", lambda: _deciding(("register",), asked), render_run, as_json=as_json)


def _deciding(targets: tuple[str, ...], asked: Asked) -> RunResult:
    """Through DVC; once more where the registry in force has never seen the model."""
    from mlops_cli.config.load import load_project
    from mlops_cli.pipeline.registry import forget_foreign_decision

    ran = run_stages(targets, asked)
    if not any(s.name == "register" and s.state == "unchanged" for s in ran.stages):
        return ran
    project = load_project(asked.project, env=asked.env)
    again = forget_foreign_decision(project, first=asked.first)
    return run_stages(targets, asked) if again else ran


def stage_commands() -> Iterator[tuple[str, Callable[..., None]]]:
    """A command for each stage of the table; some have more to ask, and one of their own."""
    for stage in STAGES:
        yield stage.name, _command(stage)


def _command(stage: Stage) -> Callable[..., None]:
    def command(
        project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
    ) -> None:
        asked = Asked(project, env, as_json)
        execute(stage.name, lambda: run_stages((stage.name,), asked), render_run, as_json=as_json)

    summary = stage.summary[:1].upper() + stage.summary[1:]
    command.__doc__ = f"{summary}; what it needs is brought up to date before."
    return command


def run_stages(targets: tuple[str, ...], asked: Asked) -> RunResult:
    """Bring `targets` and what they need up to date."""
    from mlops_cli.config.root import ENV_VARIABLE, find_project
    from mlops_cli.pipeline.unchanged import unchanged_run

    by_default = not (asked.first or asked.env or os.environ.get(ENV_VARIABLE))
    if by_default and (result := unchanged_run(find_project(asked.project), targets)):
        return result
    from mlops_cli.config.load import load_project

    project = load_project(asked.project, env=asked.env)  # what is wrong with it is told at once
    from mlops_cli.actions.run import run

    os.environ[UNDER_RUN] = "1"
    if asked.env:
        os.environ[ENV_VARIABLE] = asked.env  # for the stages, which DVC starts
    with _told(first=asked.first):
        return run(project, *targets, progress=TerminalProgress())


@contextmanager
def _told(*, first: bool) -> Iterator[None]:
    """DVC starts `register`: its environment tells it of `--first`, and ends with this run.

    A file would outlive a run that is killed, and wave the next one's model through. What this
    process was given counts no more than a file: who wants `--first` says so.
    """
    given = os.environ.pop(FIRST, None)
    if first:
        os.environ[FIRST] = "1"
    try:
        yield
    finally:
        os.environ.pop(FIRST, None)
        if given is not None:
            os.environ[FIRST] = given


def render_run(result: RunResult) -> None:
    """Each stage, its state, and how long it took."""
    width = max(len(stage.name) for stage in result.stages)
    for stage in result.stages:
        took = f"{stage.seconds:6.1f} s" if stage.seconds is not None else ""
        typer.echo(f"{stage.name:<{width}}  {stage.state:<9} {took}".rstrip())
    typer.echo(f"{'':<{width}}  in {result.seconds:.1f} s")
