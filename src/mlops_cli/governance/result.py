"""How a registration is asked for, and what became of it; light, since every run tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

EXPERIMENT = ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")  # set by `dvc exp run`


def by_experiment() -> bool:
    """Whether `dvc exp run` started this, or what started it."""
    return any(name in os.environ for name in EXPERIMENT)


@dataclass(frozen=True, slots=True)
class Wish:
    """`asked` by `mlops register`, which is obeyed on any branch; `first` does without a champion.

    `judged`: the gates were asked just now, and not in an earlier run. `candidate`: it waits for
    `mlops promote`, or for its branch to be merged, also where no approvals are asked.
    """

    asked: bool = False
    first: bool = False
    judged: bool = False
    candidate: bool = False


@dataclass(frozen=True, slots=True)
class Registration:
    """What the registry holds of the workspace's model.

    `state` is `champion`; `candidate`, which waits for the approvals of the roles in `missing`; or
    `not registered`: then `why`, and `command` is what would do it. `champion` and
    `champion_before` are digests, `number` is the registry's own.
    """

    state: Literal["champion", "candidate", "not registered"]
    digest: str
    version: str
    number: str | None = None
    champion: str | None = None
    champion_before: str | None = None
    why: str | None = None
    command: str | None = None
    missing: tuple[str, ...] = ()
