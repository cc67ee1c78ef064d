"""Is the difference between two models on the same rows more than chance?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

GROUPS = 20
LEVEL = 0.05  # how often a model that is just as good is refused by chance

Rows = NDArray[np.int64]
Scores = Callable[[Rows], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of a candidate and of the champion, on the same rows.

    `difference` is positive where the candidate is better. `upper` is the upper end of its
    one-sided 95 % confidence interval; NaN where it cannot be computed.
    """

    candidate: float
    champion: float
    difference: float
    upper: float

    @property
    def decidable(self) -> bool:
        """Whether every number that the decision needs is there."""
        return math.isfinite(self.upper)

    @property
    def not_worse(self) -> bool:
        """Whether chance alone may explain that the candidate is below the champion, if it is."""
        slack = 1e-12 * max(1.0, abs(self.champion))
        return self.difference >= -slack or self.upper >= 0.0


def compare(scores: Scores, rows: int, *, higher_is_better: bool, in_time: bool) -> Comparison:
    """Compare two models by `scores(rows) -> (candidate, champion)` on `rows` rows.

    The interval comes from the delete-a-group jackknife (Shao and Tu 1995, The Jackknife and
    Bootstrap, section 2.3; t quantile as in Kott 2001) with 20 groups, which needs nothing of the
    metric but that it is smooth. Rows that are `in_time` are cut into stretches of time, since
    neighbours in time resemble each other; others are dealt out in turn. No random number is
    drawn: the same rows always give the same answer.
    """
    sign = 1.0 if higher_is_better else -1.0
    everything = np.arange(rows, dtype=np.int64)
    candidate, champion = scores(everything)
    difference = sign * (candidate - champion)
    count = min(GROUPS, rows)
    if count < 2 or not math.isfinite(difference):
        return Comparison(candidate, champion, difference, math.nan)
    group = everything * count // rows if in_time else everything % count
    left_out = [sign * (a - b) for a, b in (scores(everything[group != k]) for k in range(count))]
    spread = np.asarray(left_out) - np.mean(left_out)
    error = math.sqrt((count - 1) / count * float(np.sum(spread**2)))
    upper = difference + float(stdtrit(count - 1, 1.0 - LEVEL)) * error
    return Comparison(candidate, champion, difference, upper)
