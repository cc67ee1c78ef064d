"""What a round is worth: a loss of margins that a shift of the base rate does not bend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task

Array = NDArray[np.float64]


def round_loss(task: Task, target: Array, margins: Array) -> float:
    """RMSE of a regression; else the log loss with its intercept refitted on these very rows.

    `margins` are of shape (n,), multiclass (n, k). The intercept moves by one Newton step; where
    that overshoots (nearly every row is sure, and some are wrong) it stays where it was.
    """
    if task == "regression":
        return float(np.sqrt(np.mean((margins - target) ** 2)))
    if task == "binary":
        return _binary(target, margins)
    return _multiclass(target.astype(np.int64), margins)


def _binary(target: Array, margins: Array) -> float:
    chances = 0.5 * (1.0 + np.tanh(0.5 * margins))
    curvature = float(np.sum(chances * (1.0 - chances)))
    step = float(np.sum(target - chances)) / curvature if curvature > 0 else 0.0

    def loss(at: Array) -> float:
        return float(np.mean(np.logaddexp(0.0, at) - target * at))

    return min(loss(margins), loss(margins + step))


def _multiclass(classes: NDArray[np.int64], margins: Array) -> float:
    own = np.arange(len(classes)), classes

    def chances_and_loss(at: Array) -> tuple[Array, float]:
        shifted = at - at.max(axis=1, keepdims=True)
        powers = np.exp(shifted)
        sums = powers.sum(axis=1, keepdims=True)
        return powers / sums, float(np.mean(np.log(sums[:, 0]) - shifted[own]))

    chances, plain = chances_and_loss(margins)
    gradient = np.bincount(classes, minlength=margins.shape[1]) - chances.sum(axis=0)
    curvature = np.diag(chances.sum(axis=0)) - chances.T @ chances
    # All margins moved alike change nothing, so the curvature has no inverse.
    step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
    return min(plain, chances_and_loss(margins + step)[1])
