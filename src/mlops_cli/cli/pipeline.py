"""Stages from a terminal: through DVC, with what they need, and what `register` is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_cli.cli.execute import execute
from mlops_cli.cli.faults import UNDER_RUN
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_run
from mlops_cli.cli.terminal import TerminalProgress
from mlops_cli.stages import FIRST

if TYPE_CHECKING:
    from mlops_cli.pipeline.result import RunResult


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a command that runs stages."""

    project: Path | None
    env: str | None
    as_json: bool
    first: bool = False


def command_of(stage: str) -> Callable[..., None]:
    """The command of a stage that has nothing more to ask."""

    def command(
        project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
    ) -> None:
        asked = Asked(project, env, as_json)
        execute(stage, lambda: run_stages((stage,), asked), render_run, as_json=as_json)

    return command


def decide_and_run(targets: tuple[str, ...], asked: Asked) -> RunResult:
    """Through DVC; once more where the registry in force has never seen the model."""
    from mlops_cli.config.load import load_project
    from mlops_cli.pipeline.registry import forget_foreign_decision

    ran = run_stages(targets, asked)
    if not any(s.name == "register" and s.state == "unchanged" for s in ran.stages):
        return ran
    project = load_project(asked.project, env=asked.env)
    again = forget_foreign_decision(project, first=asked.first)
    return run_stages(targets, asked) if again else ran


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
