"""How a stage's outcome reaches its caller although DVC turns every failure into exit 255."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import replacing
from mlops_cli.config.project import Project

_RUN = "MLOPS_OUTCOMES_OF"  # which run started a stage, in the environment of what it starts


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
    run: str = ""


@contextmanager
def own_outcomes() -> Iterator[None]:
    """While this holds, `read_outcome` knows only what stages left that this run started.

    Nothing is removed for that: another run may work here, and be about to read what its own
    stages left, while this one is yet to be refused by DVC's locks.
    """
    os.environ[_RUN] = secrets.token_hex(8)
    try:
        yield
    finally:
        del os.environ[_RUN]


def write_outcome(project: Project, stage: str, outcome: Outcome) -> None:
    """Leave a stage's outcome in `.mlops/outcome/`, whole or not at all."""
    with replacing(_path(project, stage)) as temporary:
        named = msgspec.structs.replace(outcome, run=run_token())
        temporary.write_bytes(msgspec.json.encode(named))


def read_outcome(project: Project, stage: str) -> Outcome | None:
    """What the stage left in this run; None where there is nothing readable of it."""
    try:
        outcome = msgspec.json.decode(_path(project, stage).read_bytes(), type=Outcome)
    except (OSError, msgspec.DecodeError):
        return None
    return outcome if outcome.run == run_token() else None


def run_token() -> str:
    """What names the `mlops run` that started this process's stage; empty without one."""
    return os.environ.get(_RUN, "")


def _path(project: Project, stage: str) -> Path:
    return project.cache / "outcome" / f"{stage}.json"
