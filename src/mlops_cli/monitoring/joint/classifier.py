"""Drift that no single column shows: can later rows be told from the reference's at all?

A classifier two-sample test (Lopez-Paz and Oquab 2017, ICLR): trees are fitted on one half to tell
the samples apart, and their scores of the other half are ranked. Under no drift the ranks are as
good as shuffled, however the trees came about: the test is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.monitoring.joint.halves import Halves, Rows, floor_of, halves, rank_test
from mlops_cli.monitoring.sklearn import CATEGORIES, Numbers, tell_apart

SHARE = 0.2  # of the budget of false alarms
FLOOR = 0.55  # an area below is no drift, however significant
LOOKED_AT = 200  # columns whose part is measured
MEASURED_ON = 4_000  # rows
SEED = 0


@dataclass(frozen=True, slots=True)
class Carrier:
    """A column that a difference rests on, and its share of it (0 to 1)."""

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class JointDrift:
    """Whether the rows as a whole differ from the reference.

    `effect` is how well they can be told apart and drifted where it reaches `threshold` while
    `p_value` is at most the level. `units` are the rows, or the subjects, that judged. `carriers`
    come in descending order, and only where something drifted.
    """

    drifted: bool
    effect: float
    threshold: float
    p_value: float
    units: int
    carriers: tuple[Carrier, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the values' columns, and which of them hold codes of categories (0, 1, ...)."""

    names: Sequence[str]
    categorical: frozenset[str] = frozenset()

    def mask(self) -> NDArray[np.bool_]:
        """Which columns are codes, shape (f,)."""
        return np.array([name in self.categorical for name in self.names], dtype=bool)


def domain_drift(
    reference: Rows,
    current: Rows,
    columns: Columns,
    *,
    alpha: float,
    quiet: Sequence[float] = (),
) -> JointDrift:
    """Whether `current` can be told from `reference`; the effect is the area under the ROC curve.

    `alpha` is the whole budget of the window, of which a fifth is spent here. `quiet` are the
    effects of quiet windows of the same length (`quiet_effects`): where rows go along a time, one
    must be told apart better than those.
    """
    level = SHARE * alpha
    cut = halves(reference, current)
    score = _scorer(cut, columns)
    judged, later = cut.values[cut.judge], cut.later[cut.judge]
    effect, p_value = (0.5, 1.0) if score is None else rank_test(score(judged), later)
    threshold = max(FLOOR, floor_of(quiet, level, none=0.5))
    drifted = p_value <= level and effect > threshold
    carriers = _carriers(score, judged, later, columns) if drifted and score else ()
    return JointDrift(drifted, effect, threshold, p_value, len(later), carriers)


def ranked(names: Sequence[str], parts: Numbers) -> tuple[Carrier, ...]:
    """The columns by their part of what was found, negative parts being none."""
    parts = np.maximum(parts, 0.0)
    total = float(parts.sum())
    order = [i for i in np.argsort(-parts, kind="stable").tolist() if parts[i] > 0]
    return tuple(Carrier(names[i], float(parts[i] / total)) for i in order)


class _Scorer:
    def __init__(self, values: Numbers, later: NDArray[np.bool_], codes: NDArray[np.bool_]) -> None:
        self._codes = codes
        self._score = tell_apart(self._fitting(values), later, codes)

    def __call__(self, values: Numbers) -> Numbers:
        return self._score(self._fitting(values))

    def _fitting(self, values: Numbers) -> Numbers:
        """The values with codes beyond what the library takes as one of those it has."""
        if not self._codes.any():
            return values
        fitting = values.copy()
        codes = values[:, self._codes]
        fitting[:, self._codes] = np.where(codes >= 0, np.mod(codes, CATEGORIES), np.nan)
        return fitting


def _scorer(cut: Halves, columns: Columns) -> _Scorer | None:
    values, later = cut.values[cut.learn], cut.later[cut.learn]
    if min(later.sum(), (~later).sum()) < 2 or not values.shape[1]:
        return None
    return _Scorer(values, later, columns.mask())


def _carriers(
    score: _Scorer, values: Numbers, later: NDArray[np.bool_], columns: Columns
) -> tuple[Carrier, ...]:
    """By how much the area falls where a column's values are shuffled (Breiman 2001)."""
    random = np.random.default_rng(SEED)
    if len(values) > MEASURED_ON:
        some = random.choice(len(values), MEASURED_ON, replace=False)
        values, later = values[some], later[some]
    whole, _ = rank_test(score(values), later)
    parts = np.zeros(len(columns.names))
    for i in range(min(len(parts), LOOKED_AT)):
        shuffled = values.copy()
        shuffled[:, i] = random.permutation(shuffled[:, i])
        parts[i] = whole - rank_test(score(shuffled), later)[0]
    return ranked(columns.names, parts)
