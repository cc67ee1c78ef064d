"""How a stage's outcome reaches its caller although DVC turns every failure into exit 255."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.bundle.files import replacing
from mlops_cli.config.load import Project


class Failure(msgspec.Struct, frozen=True):
    """Why a stage ended: what its typed error said."""

    code: int
    kind: str
    message: str
    hint: str | None


class Outcome(msgspec.Struct, frozen=True):
    """What a stage's process left: its result, or its failure."""

    seconds: float
    result: dict[str, Any] | None = None
    failure: Failure | None = None


def write_outcome(project: Project, stage: str, outcome: Outcome) -> None:
    """Leave a stage's outcome in `.mlops/outcome/`, whole or not at all."""
    with replacing(_path(project, stage)) as temporary:
        temporary.write_bytes(msgspec.json.encode(outcome))


def read_outcome(project: Project, stage: str) -> Outcome | None:
    """What the stage's last process left; None where there is nothing readable."""
    try:
        return msgspec.json.decode(_path(project, stage).read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError):
        return None


def forget_outcome(project: Project, stage: str) -> None:
    """Remove what an earlier process left."""
    _path(project, stage).unlink(missing_ok=True)


def _path(project: Project, stage: str) -> Path:
    return project.cache / "outcome" / f"{stage}.json"
