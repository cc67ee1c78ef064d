"""What became of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mlops_cli.governance.result import Registration
from mlops_cli.pipeline.worth import Worth
from mlops_cli.stages import STAGES, stages_of


@dataclass(frozen=True, slots=True)
class StageRun:
    """What became of one stage: `ran`, `restored` (from DVC's run cache) or `unchanged`.

    A stage of the user's own is named where it ran, without what it took.
    """

    name: str
    state: str
    seconds: float | None = None
    result: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """The stages of a run, in the pipeline's order.

    `registration` and `worth` of the model are there where the run went that far.
    """

    stages: list[StageRun] = field(default_factory=list)
    seconds: float = 0.0
    registration: Registration | None = None
    worth: Worth | None = None


def registers(targets: Sequence[str]) -> bool:
    """Whether a run of `targets` goes as far as `register`."""
    names = {stage.name for stage in STAGES}
    return set(targets) <= names and "register" in stages_of(targets)
