"""The probability from which on a row is called positive, by what the two kinds of error cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a false positive and a false negative cost, in one unit; both above 0."""

    false_positive: float
    false_negative: float

    @property
    def named(self) -> float:
        """The threshold that probabilities which are right would have (Elkan 2001)."""
        return self.false_positive / (self.false_positive + self.false_negative)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold in [0, 1] and what it costs a row, on average over the rows it was chosen on."""

    value: float
    cost: float
    rows: int


def cost_of(threshold: float, target: Array, chances: Array, costs: Costs) -> float:
    """What a row costs on average where those of at least `threshold` are called positive."""
    said, true = chances >= threshold, target == 1
    alarms, missed = int((said & ~true).sum()), int((~said & true).sum())
    total = costs.false_positive * alarms + costs.false_negative * missed
    return total / max(1, len(target))


def least_cost(target: Array, chances: Array, costs: Costs) -> Threshold:
    """The threshold of least cost among all in [0, 1], of arrays of shape (n,), n > 0.

    Of several it is the one nearest to that which the costs name; it lies amid the gap between two
    rows' probabilities, so that rounding moves no row across.
    """
    values, place = np.unique(chances, return_inverse=True)
    positives = np.bincount(place, target == 1).astype(np.float64)
    negatives = np.bincount(place).astype(np.float64) - positives
    # Of a threshold below the value at i: all from there on are called positive.
    missed = np.concatenate([[0.0], np.cumsum(positives)])
    alarms = negatives.sum() - np.concatenate([[0.0], np.cumsum(negatives)])
    cost = costs.false_positive * alarms + costs.false_negative * missed
    if values[-1] >= 1:  # no threshold calls none positive
        cost = cost[:-1]
    gaps = _thresholds(values, costs.named)[: len(cost)]
    least = np.flatnonzero(cost <= cost.min() * (1 + 1e-12))
    best = least[np.argmin(np.abs(gaps[least] - costs.named))]
    value = float(gaps[best])
    return Threshold(value, cost_of(value, target, chances, costs), len(target))


def _thresholds(values: Array, named: float) -> Array:
    """One in each gap below the values (k), and above the last: k + 1 of them."""
    below = np.concatenate([[0.0], values])
    above = np.concatenate([values, [1.0]])
    middle = below + (above - below) / 2
    # Two neighbours among all numbers have none between them: the upper one is itself a threshold.
    middle = np.where(middle > below, middle, above)
    middle[0] = min(middle[0], values[0])
    inside = (below < named) & (named < above)
    return np.where(inside, named, middle)
