"""Parts of the hold-out by themselves: is the model worse there than elsewhere, beyond chance?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.metrics import metrics_of

SMALL = 30  # rows below which a slice is told of, and not judged
LEVEL = 0.05
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Slice(msgspec.Struct, frozen=True):
    """One part of the rows.

    `value` is the main metric there with its 95 % interval, null where it is not defined. `excess`
    is the mean loss there (log loss, squared error) less that of all other rows, with its interval;
    `worse` is whether it is above 0 by more than chance, looking at as many (Holm 1979).
    """

    name: str
    rows: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    excess: float | None = None
    excess_low: float | None = None
    excess_high: float | None = None
    worse: bool = False


class Contrast(msgspec.Struct, frozen=True):
    """The mean of some rows less that of the others, by Welch (1947)."""

    value: float
    error: float
    freedom: float

    def bound(self, chance: float) -> float:
        """The value that the true difference is below with a confidence of `chance`."""
        return self.value + float(stdtrit(self.freedom, chance)) * self.error

    @property
    def chance(self) -> float:
        """How often chance alone gives as much to either side, where there is no difference."""
        return 2 * float(stdtr(self.freedom, -abs(self.value) / self.error)) if self.error else 1.0


def slices_of(judged: Judged, masks: Mapping[str, Mask]) -> list[Slice]:
    """Each named part of the rows, the worst first; empty ones are left out."""
    found = [_slice(judged, name, mask) for name, mask in masks.items() if mask.any()]
    sides = {s.name: contrast(judged.losses, masks[s.name]) for s in found if s.rows >= SMALL}
    chances = {
        name: side.chance if side.value > 0 else 1.0
        for name, side in sides.items()
        if side is not None
    }
    worse = surely(chances)
    told = [msgspec.structs.replace(s, worse=s.name in worse) for s in found]
    return sorted(told, key=lambda s: -math.inf if s.excess is None else s.excess, reverse=True)


def surely(chances: Mapping[str, float]) -> set[str]:
    """Which of several are not by chance: in 5 % of cases at most any is wrongly so (Holm 1979)."""
    order = sorted(chances, key=chances.__getitem__)
    kept: set[str] = set()
    for done, name in enumerate(order):
        if chances[name] > LEVEL / (len(order) - done):
            break
        kept.add(name)
    return kept


def contrast(values: Array, mask: Mask) -> Contrast | None:
    """See `Contrast`; None where a side has fewer than two rows."""
    sides = (values[mask], values[~mask])
    sizes = [len(side) for side in sides]
    if min(sizes) < 2:
        return None
    shares = [float(side.var(ddof=1)) / n for side, n in zip(sides, sizes, strict=True)]
    variance = sum(shares)
    parts = sum(s * s / (n - 1) for s, n in zip(shares, sizes, strict=True))
    freedom = variance**2 / parts if parts else float(sum(sizes) - 2)
    return Contrast(float(sides[0].mean() - sides[1].mean()), math.sqrt(variance), freedom)


def _slice(judged: Judged, name: str, mask: Mask) -> Slice:
    rows = int(mask.sum())
    if rows < SMALL:
        return Slice(name, rows)
    value, low, high = _value(judged, mask)
    side = contrast(judged.losses, mask)
    if side is None:
        return Slice(name, rows, value, low, high)
    ends = (side.bound(LEVEL / 2), side.bound(1 - LEVEL / 2))
    return Slice(name, rows, value, low, high, side.value, *ends)


def _value(judged: Judged, mask: Mask) -> tuple[float | None, float | None, float | None]:
    task, metric = judged.question.task, judged.question.metric
    y, p, threshold = judged.target[mask], judged.predictions[mask], judged.threshold
    found = metrics_of(task, y, p, threshold).get(metric)
    if found is None:
        return (None, None, None)
    ends = interval(task, metric, y, p, threshold=threshold)
    known = math.isfinite(ends.low + ends.high)
    return (found, float(ends.low), float(ends.high)) if known else (found, None, None)
