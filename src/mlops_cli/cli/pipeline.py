"""Stages from a terminal: through DVC, with what they need."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption
from mlops_cli.cli.rendering import render_run
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.pipeline.result import RunResult


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a command that runs stages."""

    project: Path | None
    env: str | None
    as_json: bool
    first: bool = False
    register: bool = False
    force: bool = False


def command_of(stage: str) -> Callable[..., None]:
    """The command of a stage that has nothing more to ask."""

    def command(
        project: ProjectOption = None, env: EnvOption = None, as_json: JsonOption = False
    ) -> None:
        asked = Asked(project, env, as_json)
        execute(stage, lambda: run_stages((stage,), asked), render_run, as_json=as_json)

    return command


def run_stages(targets: tuple[str, ...], asked: Asked) -> RunResult:
    """Bring `targets` and what they need up to date."""
    from mlops_cli.config.root import ENV_VARIABLE, find_project
    from mlops_cli.pipeline.unchanged import unchanged_run

    special = asked.first or asked.register or asked.force
    overlaid = asked.env or os.environ.get(ENV_VARIABLE)
    if not (special or overlaid) and (
        result := unchanged_run(find_project(asked.project), targets)
    ):
        return result
    from mlops_cli.config.load import load_project

    project = load_project(asked.project, env=asked.env)  # what is wrong with it is told at once
    from mlops_cli.actions.run import run

    if asked.env:
        os.environ[ENV_VARIABLE] = asked.env  # for the stages, which DVC starts
    progress = TerminalProgress()
    return run(
        project,
        *targets,
        asked=asked.register,
        first=asked.first,
        force=asked.force,
        progress=progress,
    )
