"""Where the model is weak, found by a shallow tree on one half of the rows and held to the other.

What is found by looking is tested on rows that were not looked at, so that no part of the rows is
called weak because it was the worst of many by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

from mlops_cli.bundle.manifest import Feature
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.slices import LEVEL, contrast, surely

DEPTH = 3
LEAST = 50  # rows of a leaf, and a fiftieth of the half
MOST = 20_000  # rows that the tree is grown on
FEWEST = 400  # rows of a hold-out that is looked at
_NAMES = 6  # categories of a condition
_SEED = 7_351_924_068  # none that made-up data are likely to be drawn by, too
Array = NDArray[np.float64]
Matrix = NDArray[np.float32]


class WeakSpot(msgspec.Struct, frozen=True):
    """A part of the rows by its conditions; numbers are of the half that was not looked at.

    `value` is there less elsewhere, with its 95 % interval: of `losses` the mean loss, of `biases`
    the mean of the target less the prediction.
    """

    conditions: Sequence[str]
    rows: int
    value: float
    low: float
    high: float


class WeakSpots(msgspec.Struct, frozen=True):
    """What is left after correcting for how much was `looked` at (Holm 1979), the worst first.

    In `losses` the model is surely worse than elsewhere, in `biases` its predictions are surely too
    low (`value` above 0) or too high. `rows` are those of the half that was not looked at.
    """

    rows: int
    looked: int
    losses: Sequence[WeakSpot]
    biases: Sequence[WeakSpot]


@dataclass(frozen=True, slots=True)
class _Halves:
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]


def weak_spots(
    judged: Judged,
    matrix: Matrix,
    features: Sequence[Feature],
    subjects: NDArray[np.int64] | None = None,
) -> WeakSpots | None:
    """Look for parts of the rows, of shape (n, f), by the features; None of fewer than 400 rows.

    Rows of the same one of the `subjects` are in the same half.
    """
    if len(judged.target) < FEWEST:
        return None
    halves = _halves(len(judged.target), subjects)
    tested = {"losses": _Search(judged.losses, matrix, features, halves).tested(both=False)}
    if judged.predictions.ndim == 1:
        off = judged.target - judged.predictions
        tested["biases"] = _Search(off, matrix, features, halves).tested(both=True)
    every = {f"{kind} {i}": leaf.chance for kind in tested for i, leaf in enumerate(tested[kind])}
    kept = surely(every)  # of both together: one report, one chance to be wrong
    spots = {
        kind: sorted(
            (leaf.spot for i, leaf in enumerate(leaves) if f"{kind} {i}" in kept),
            key=lambda s: -abs(s.value),
        )
        for kind, leaves in tested.items()
    }
    return WeakSpots(len(halves.theirs), len(every), spots["losses"], spots.get("biases", ()))


def _halves(n: int, subjects: NDArray[np.int64] | None) -> _Halves:
    units = np.arange(n) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    draw = np.random.default_rng(_SEED).random(int(units.max()) + 1)
    ours = (draw < 1 / 2)[units]
    return _Halves(np.flatnonzero(ours), np.flatnonzero(~ours))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A part of the rows that was tested, and how often chance alone gives as much."""

    spot: WeakSpot
    chance: float


class _Search:
    """One tree on a number of each row."""

    def __init__(
        self, values: Array, matrix: Matrix, features: Sequence[Feature], halves: _Halves
    ) -> None:
        self._values = values
        self._features = features
        self._halves = halves
        self._orders = [
            _order(values[halves.ours], matrix[halves.ours, i], len(f.categories))
            if f.categories is not None
            else None
            for i, f in enumerate(features)
        ]
        self._ranked = np.column_stack(
            [_ranked(matrix[:, i], order) for i, order in enumerate(self._orders)]
        )

    def tested(self, *, both: bool) -> list[_Leaf]:
        """The leaves that were worse in the half that was looked at (`both`: all of them)."""
        ours, theirs = self._halves.ours[:MOST], self._halves.theirs
        tree = DecisionTreeRegressor(
            max_depth=DEPTH, min_samples_leaf=max(LEAST, len(ours) // 50), random_state=0
        ).fit(self._ranked[ours], self._values[ours])
        places = tree.apply(self._ranked[theirs])
        values, seen = self._values[theirs], self._values[ours].mean()
        means, found = tree.tree_.value[:, 0, 0], []
        for leaf in np.unique(places).tolist():
            side = contrast(values, places == leaf) if both or means[leaf] > seen else None
            if side is None or not side.error:
                continue
            ends = side.bound(LEVEL / 2), side.bound(1 - LEVEL / 2)
            rows = int((places == leaf).sum())
            spot = WeakSpot(self._conditions(tree, leaf), rows, side.value, *ends)
            found.append(_Leaf(spot, side.chance if both or side.value > 0 else 1.0))
        return found

    def _conditions(self, tree: DecisionTreeRegressor, leaf: int) -> list[str]:
        """What leads to a leaf, one condition a feature."""
        grown = tree.tree_
        parents = {
            int(child): (node, left)
            for left, children in ((True, grown.children_left), (False, grown.children_right))
            for node, child in enumerate(children)
            if child >= 0
        }
        ends: dict[int, tuple[float, float, bool]] = {}
        while leaf in parents:
            node, left = parents[leaf]
            i, cut = int(grown.feature[node]), float(grown.threshold[node])
            low, high, missing = ends.get(i, (-math.inf, math.inf, True))
            missing = missing and bool(grown.missing_go_to_left[node]) == left
            ends[i] = (low, min(high, cut), missing) if left else (max(low, cut), high, missing)
            leaf = node
        return [self._condition(i, *ends[i]) for i in sorted(ends)]

    def _condition(self, i: int, low: float, high: float, missing: bool) -> str:
        feature, order = self._features[i], self._orders[i]
        gaps = missing and bool(np.isnan(self._ranked[:, i]).any())
        if order is not None and feature.categories is not None:
            kept = [c for c, at in zip(feature.categories, order, strict=True) if low < at <= high]
            return _listed(feature.name, [*kept, *(["missing"] if gaps else [])])
        end = " or missing" if gaps else ""
        if low == -math.inf and high == math.inf:
            return f"{feature.name} is {'anything' if missing else 'not missing'}"
        if low == -math.inf:
            return f"{feature.name} <= {high:.6g}{end}"
        if high == math.inf:
            return f"{feature.name} > {low:.6g}{end}"
        return f"{feature.name} > {low:.6g} and <= {high:.6g}{end}"


def _listed(name: str, kept: Sequence[str]) -> str:
    shown = ", ".join(kept[:_NAMES])
    more = len(kept) - _NAMES
    return f"{name} is {shown}" + (f" or one of {more} more" if more > 0 else "")


def _order(values: Array, codes: Matrix, count: int) -> Array:
    """A category's place by the mean of its rows, so that one cut makes a set of them."""
    known = ~np.isnan(codes)
    places = codes[known].astype(np.int64)
    sums = np.bincount(places, values[known], minlength=count)
    sizes = np.bincount(places, minlength=count)
    overall = float(values.mean())
    means = (sums + overall) / (sizes + 1)  # a rare one is not far from all
    order = np.empty(count)
    order[np.argsort(means, kind="stable")] = np.arange(count)
    return order


def _ranked(column: Matrix, order: Array | None) -> Matrix:
    if order is None:
        return column
    known = ~np.isnan(column)
    ranked = np.full(len(column), np.nan, np.float32)
    ranked[known] = order[column[known].astype(np.int64)]
    return ranked
