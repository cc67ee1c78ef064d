"""Categories in the order of the target: what a tree can take of a target encoding."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Feature
from mlops_cli.training.base import Part

Array = NDArray[np.float64]


def in_target_order(features: Sequence[Feature], part: Part) -> tuple[Feature, ...]:
    """The features, each list of categories ordered by the target's mean in the rows of `part`.

    The target is a class, 0 or 1, or a value; `part` has codes by the lists as they are. Rows count
    by their weight. A category without rows stands where the mean of all is.
    """
    weight = np.ones(len(part.target)) if part.weight is None else part.weight
    return tuple(
        _ordered(f, part.matrix[:, i], part.target, weight) if f.categories else f
        for i, f in enumerate(features)
    )


def encoded(codes: NDArray[np.int64], target: Array, weight: Array, count: int) -> Array:
    """The target's mean of each of `count` categories, shrunk towards that of all rows.

    By empirical Bayes (Micci-Barreca 2001): a category of n rows counts n t / (n t + s), with the
    variance t of all rows and s of its own; as `TargetEncoder(smooth="auto")` of scikit-learn.
    """
    rows = np.bincount(codes, weight, count)
    sums = np.bincount(codes, weight * target, count)
    squares = np.bincount(codes, weight * target**2, count)
    whole = float(np.average(target, weights=weight))
    spread = float(np.average((target - whole) ** 2, weights=weight))
    means = np.divide(sums, rows, out=np.full(count, whole), where=rows > 0)
    within = np.maximum(np.divide(squares, rows, out=np.zeros(count), where=rows > 0) - means**2, 0)
    share = np.divide(
        rows * spread, rows * spread + within, out=np.ones(count), where=rows * spread > 0
    )
    found: Array = share * means + (1 - share) * whole
    return found


def _ordered(feature: Feature, codes: NDArray[np.float32], target: Array, weight: Array) -> Feature:
    names, known = feature.categories or (), ~np.isnan(codes) & (weight > 0)
    if not known.any():
        return feature
    found = encoded(codes[known].astype(np.int64), target[known], weight[known], len(names))
    order = np.argsort(found, kind="stable").tolist()
    return msgspec.structs.replace(feature, categories=tuple(names[i] for i in order))
