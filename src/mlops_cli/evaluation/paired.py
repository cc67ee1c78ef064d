"""Is the difference between two models on the same rows more than chance?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

GROUPS = 20
LEVEL = 0.05  # how often a model that is just as good is refused by chance
POWER = 0.8  # with which probability a gain of `detectable` is found

Rows = NDArray[np.int64]
Answer = Literal["passed", "refused", "inconclusive"]
Scores = Callable[[Rows], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of a candidate and of its opponent, on the same rows.

    `difference` is positive where the candidate is better, in the metric's own unit. `error` is
    its standard error, with `freedom` degrees of freedom; NaN where it cannot be computed.
    """

    candidate: float
    opponent: float
    difference: float
    error: float
    freedom: int

    @property
    def decidable(self) -> bool:
        """Whether every number that the decision needs is there."""
        return math.isfinite(self.error)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the difference."""
        return self.bound(LEVEL / 2), self.bound(1 - LEVEL / 2)

    def bound(self, chance: float) -> float:
        """The value that the true difference is below with a confidence of `chance`."""
        return self.difference + float(stdtrit(self.freedom, chance)) * self.error

    def p_worse(self) -> float:
        """How often chance alone gives a model that is as good a difference as low as this one.

        1 where the candidate is not below its opponent by more than rounding.
        """
        if self.difference >= -1e-12 * max(1.0, abs(self.opponent)):
            return 1.0
        if self.error == 0.0:
            return 0.0
        return float(stdtr(self.freedom, self.difference / self.error))

    def detectable(self, power: float = POWER) -> float:
        """The gain whose 95 % interval, on as many rows of the kind, lies above 0 so often.

        Both this error and the one of then are estimates: what they scatter is added to what the
        difference scatters. Infinite where the rows are too few to tell.
        """
        end = float(stdtrit(self.freedom, 1 - LEVEL / 2))
        quantile = float(stdtrit(self.freedom, power))
        # more = quantile * sqrt(1 + ((end + more)^2 + end^2) / (2 freedom)), solved for `more`
        curve = 1 / quantile**2 - 1 / (2 * self.freedom)
        if curve <= 0:
            return math.inf  # of two or three rows
        half = end / (2 * self.freedom)
        more = (half + math.sqrt(half**2 + curve * (1 + end**2 / self.freedom))) / curve
        return (end + more) * self.error


def compare(scores: Scores, rows: int, *, higher_is_better: bool, in_time: bool) -> Comparison:
    """Compare two models by `scores(rows) -> (candidate, opponent)` on `rows` rows.

    The error comes from the delete-a-group jackknife (Shao and Tu 1995, The Jackknife and
    Bootstrap, section 2.3; t quantile as in Kott 2001) with 20 groups, which needs nothing of the
    metric but that it is smooth. Rows that are `in_time` are cut into stretches of time, since
    neighbours in time resemble each other; others are dealt out in turn. No random number is
    drawn: the same rows always give the same answer.
    """
    sign = 1.0 if higher_is_better else -1.0
    everything = np.arange(rows, dtype=np.int64)
    candidate, opponent = scores(everything)
    difference = sign * (candidate - opponent)
    count = min(GROUPS, rows)
    if count < 2 or not math.isfinite(difference):
        return Comparison(candidate, opponent, difference, math.nan, 1)
    group = everything * count // rows if in_time else everything % count
    left_out = [sign * (a - b) for a, b in (scores(everything[group != k]) for k in range(count))]
    spread = np.asarray(left_out) - np.mean(left_out)
    error = math.sqrt((count - 1) / count * float(np.sum(spread**2)))
    return Comparison(candidate, opponent, difference, error, count - 1)


def surely_worse(comparisons: Sequence[Comparison]) -> list[bool]:
    """Of which opponents the candidate is worse by more than chance explains; all are decidable.

    An equal of them all is said to be worse than any in at most 5 % of cases (Holm 1979, A simple
    sequentially rejective multiple test procedure).
    """
    found = [False] * len(comparisons)
    chances = sorted((c.p_worse(), i) for i, c in enumerate(comparisons))
    for done, (chance, i) in enumerate(chances):
        if chance > LEVEL / (len(comparisons) - done):
            break
        found[i] = True
    return found


def answer(comparisons: Sequence[Comparison], margin: float | None) -> Answer:
    """What the comparisons with all opponents come to.

    Without a `margin` (in the metric's unit) a candidate that is not surely worse passes. With one
    it must surely be above `-margin` of each; one that is surely below it is refused.
    """
    if margin is None:
        return "refused" if any(surely_worse(comparisons)) else "passed"
    ends = [c.interval for c in comparisons]
    if any(high < -margin for _, high in ends):
        return "refused"
    return "passed" if all(low > -margin for low, _ in ends) else "inconclusive"
