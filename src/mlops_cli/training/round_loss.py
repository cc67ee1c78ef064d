"""What a round is worth: a loss of margins that a shift of the base rate does not bend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task

Array = NDArray[np.float64]


def round_loss(task: Task, target: Array, margins: Array, weight: Array | None = None) -> float:
    """RMSE of a regression; else the log loss with its intercept refitted on these very rows.

    `margins` are of shape (n,), multiclass (n, k); `weight`, of shape (n,), is how much a row
    counts (None: all alike). The intercept moves by one Newton step; where that overshoots (nearly
    every row is sure, and some are wrong) it stays where it was.
    """
    if task == "regression":
        return float(np.sqrt(_mean((margins - target) ** 2, weight)))
    if task == "binary":
        return _binary(target, margins, weight)
    return _multiclass(target.astype(np.int64), margins, weight)


def row_losses(task: Task, target: Array, margins: Array) -> Array:
    """Of each row its squared error, or its log loss, at these very margins; shape (n,)."""
    if task == "regression":
        found: Array = (margins - target) ** 2
    elif task == "binary":
        found = np.logaddexp(0.0, margins) - target * margins
    else:
        own = np.arange(len(target)), target.astype(np.int64)
        found = np.logaddexp.reduce(margins, axis=1) - margins[own]
    return found


def _mean(values: Array, weight: Array | None) -> float:
    return float(np.mean(values) if weight is None else np.average(values, weights=weight))


def _binary(target: Array, margins: Array, weight: Array | None) -> float:
    chances = 0.5 * (1.0 + np.tanh(0.5 * margins))
    each = 1.0 if weight is None else weight
    curvature = float(np.sum(chances * (1.0 - chances) * each))
    step = float(np.sum((target - chances) * each)) / curvature if curvature > 0 else 0.0

    def loss(at: Array) -> float:
        return _mean(np.logaddexp(0.0, at) - target * at, weight)

    return min(loss(margins), loss(margins + step))


def _multiclass(classes: NDArray[np.int64], margins: Array, weight: Array | None) -> float:
    own = np.arange(len(classes)), classes

    def chances_and_loss(at: Array) -> tuple[Array, float]:
        shifted = at - at.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        sums = powers.sum(axis=1, keepdims=True)
        return powers / sums, _mean(np.log(sums[:, 0]) - shifted[own], weight)

    chances, plain = chances_and_loss(margins)
    weighed = chances if weight is None else chances * weight[:, None]
    gradient = np.bincount(classes, weight, minlength=margins.shape[1]) - weighed.sum(axis=0)
    curvature = np.diag(weighed.sum(axis=0)) - weighed.T @ chances
    # All margins moved alike change nothing, so the curvature has no inverse.
    step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
    return min(plain, chances_and_loss(margins + step)[1])
