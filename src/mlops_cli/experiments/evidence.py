"""What the judge of a rollout goes by: both arms' tallies, and what the log has of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Arm = Literal["champion", "candidate"]
CHAMPION: Arm = "champion"
CANDIDATE: Arm = "candidate"
SHORTEST_MS = 0.05  # the upper edge of a latency's bucket 0
GROWTH = 1.05  # of a bucket's upper edge over that of the one before
_BUCKETS = 400


@dataclass(frozen=True, slots=True)
class ArmStep:
    """What was assigned to one arm at one step, as the servers count it.

    A candidate's failure, which the champion answers, is one of its `errors`. `sum` and `squares`
    are of the predictions of `answered` requests, `latency` counts by bucket: i holds
    (1.05^(i-1), 1.05^i] times 50 microseconds. Where each was taken together with one of the other
    arm, `quicker` counts the lesser of the two. `dropped` were to be mirrored, and were not.
    """

    step: int
    requests: int = 0
    errors: int = 0
    answered: int = 0
    sum: float = 0.0
    squares: float = 0.0
    latency: Mapping[int, int] = field(default_factory=dict)
    dropped: int = 0
    quicker: Mapping[int, int] = field(default_factory=dict)

    @property
    def histogram(self) -> NDArray[np.int64]:
        """The latencies' counts by bucket, shape (400,)."""
        return by_bucket(self.latency)


def by_bucket(counts: Mapping[int, int]) -> NDArray[np.int64]:
    """Counts as an array, shape (400,)."""
    found = np.zeros(_BUCKETS, np.int64)
    for bucket, count in counts.items():
        found[min(bucket, _BUCKETS - 1)] += count
    return found


def together(steps: Iterable[ArmStep]) -> ArmStep:
    """The tallies of some steps added up, as one."""
    steps = list(steps)
    latency, quicker = Counter[int](), Counter[int]()
    for each in steps:
        latency.update(each.latency)
        quicker.update(each.quicker)
    return ArmStep(
        step=steps[-1].step if steps else 0,
        requests=sum(s.requests for s in steps),
        errors=sum(s.errors for s in steps),
        answered=sum(s.answered for s in steps),
        sum=sum(s.sum for s in steps),
        squares=sum(s.squares for s in steps),
        latency=latency,
        dropped=sum(s.dropped for s in steps),
        quicker=quicker,
    )


@dataclass(frozen=True, slots=True)
class Moments:
    """How many units there are, and their values added up, and squared."""

    count: int
    sum: float
    squares: float


@dataclass(frozen=True, slots=True)
class LoggedArm:
    """What the collected log has of one arm at one step.

    A unit is a request, or where the rollout is sticky a key: the mean of its rows is its value.
    `labels` are the rows that have one. `metrics` are by the name of a rule's metric; of a latency
    the share of rows that took longer than the champion's quantile.
    """

    step: int
    arm: Arm
    units: int
    labels: int
    metrics: Mapping[str, Moments]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of both arms, a cell for each step; a step may be missing.

    `before` is the champion as it was before the rollout, where that is known. `logged` is None
    where no rule asked for the log.
    """

    champion: tuple[ArmStep, ...]
    candidate: tuple[ArmStep, ...]
    before: ArmStep | None = None
    logged: tuple[LoggedArm, ...] | None = None

    def at(self, arm: Arm, step: int) -> ArmStep:
        """The cell of an arm at a step; empty where there is none."""
        cells = self.champion if arm == CHAMPION else self.candidate
        return together([ArmStep(step), *(c for c in cells if c.step == step)])

    def log_at(self, arm: Arm, step: int) -> LoggedArm | None:
        """What the log has of an arm at a step."""
        found = (x for x in self.logged or () if x.arm == arm and x.step == step)
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a rollout stands: the step whose cells fill now, and for how long they have.

    `percents` are of all its steps so far, by their number; `mirrored` those in which the champion
    answers all. `last`: the step that follows is the end. `suspended`: the candidate meets nobody,
    since both arms had become worse than before. `waived` are rules and guards (as
    `Verdict.by` names them) that paused it before a person resumed.
    """

    step: int
    percents: Mapping[int, float]
    elapsed: timedelta
    task: str
    last: bool = False
    suspended: bool = False
    mirrored: frozenset[int] = frozenset()
    waived: frozenset[str] = frozenset()

    @property
    def compared(self) -> tuple[int, ...]:
        """The steps in which both arms met events, in order."""
        found = (
            step
            for step, percent in self.percents.items()
            if percent > 0 and (percent < 100 or step in self.mirrored)
        )
        return tuple(sorted(found))
