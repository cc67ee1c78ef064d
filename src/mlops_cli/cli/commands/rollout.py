"""`mlops rollout`: how far a new version has come, one step of it, or its end."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from mlops_cli.cli.execute import execute
from mlops_cli.cli.options import EnvOption, JsonOption, ProjectOption, ReasonOption, TargetOption
from mlops_cli.cli.rollouts import render_rollout
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from mlops_cli.actions.rollout import RolloutResult


class What(StrEnum):
    """What to do with the rollout."""

    status = "status"
    tick = "tick"
    promote = "promote"
    abort = "abort"
    pause = "pause"
    resume = "resume"


def rollout_command(
    what: Annotated[
        What, typer.Argument(metavar="status|tick|promote|abort|pause|resume")
    ] = What.status,
    target: TargetOption = None,
    reason: ReasonOption = None,
    project: ProjectOption = None,
    env: EnvOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell of a rollout, or move it."""

    def work() -> RolloutResult:
        from mlops_cli.actions.rollout import rollout
        from mlops_cli.config.load import load_project

        loaded, told = load_project(project, env=env), TerminalProgress()
        return rollout(loaded, what.value, target=target, reason=reason, progress=told)

    execute("rollout", work, render_rollout, as_json=as_json)
