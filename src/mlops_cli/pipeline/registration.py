"""The registration of a run, done in a child of the warm parent: `mlops stage register --enter`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mlops_cli.config.project import Project
from mlops_cli.governance.registration import enter
from mlops_cli.governance.result import Wish
from mlops_cli.pipeline.outcome import Outcome, write_outcome
from mlops_cli.pipeline.stage import as_builtins
from mlops_cli.progress import Progress

REGISTRATION = "registration"  # the name of its outcome
_DOOR = ("register", "--enter")
_FLAGS = ("asked", "first", "judged")


def arguments_of(wish: Wish) -> list[str]:
    """The arguments of `mlops stage` that ask for it."""
    return [*_DOOR, *(f"--{flag}" for flag in _FLAGS if getattr(wish, flag))]


def wish_of(arguments: Sequence[str]) -> Wish | None:
    """What such arguments ask for; None where they ask for a stage."""
    if tuple(arguments[:2]) != _DOOR:
        return None
    return Wish(**{flag: f"--{flag}" in arguments for flag in _FLAGS})


def run_registration(project: Project, wish: Wish, *, progress: Progress) -> Outcome:
    """Register what passed the gates, and leave what became of it in `.mlops/`."""
    started = time.monotonic()
    result = as_builtins(enter(project, wish, progress=progress))
    outcome = Outcome(time.monotonic() - started, result=result)
    write_outcome(project, REGISTRATION, outcome)
    return outcome
