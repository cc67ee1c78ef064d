"""Weights of an average of models, by what they say of rows that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task
from mlops_cli.training.round_loss import round_loss

Array = NDArray[np.float64]
_STEPS = 20
_SURE = 1e-7  # the farthest from 0 and 1 that a chance in float32 can be told from them


def greedy_weights(
    task: Task,
    target: Array,
    margins: Sequence[Array],
    *,
    costs: Sequence[float] | None = None,
    most: float = np.inf,
    rows: Array | None = None,
) -> Array:
    """Weights that sum to 1, of shape (m,), for the average of m models' margins.

    Caruana et al. 2004: models are added one at a time, each as often as it makes the average's
    loss least; the weights are those of the best average on the way. Margins are of shape (n,), or
    (n, k); the loss is log loss or RMSE. With `costs`, one a model, those that are taken cost at
    most `most` together, but for a first one that costs more by itself. `rows` are weights of the
    rows, shape (n,).
    """
    price = np.zeros(len(margins)) if costs is None else np.asarray(costs, dtype=np.float64)
    counts = np.zeros(len(margins))
    best, kept = np.inf, counts
    total = np.zeros_like(margins[0])
    for step in range(1, _STEPS + 1):
        dear = (counts == 0) & (step > 1) & (price[counts > 0].sum() + price > most)
        losses = [
            np.inf if barred else round_loss(task, target, (total + each) / step, rows)
            for each, barred in zip(margins, dear, strict=True)
        ]
        chosen = int(np.argmin(losses))
        total = total + margins[chosen]
        counts[chosen] += 1
        if losses[chosen] < best:
            best, kept = losses[chosen], counts.copy()
    weights: Array = kept / kept.sum()
    return weights


def margins_of(task: Task, predictions: Array) -> Array:
    """What a link would make these predictions of: log odds, log chances, or the values."""
    if task == "regression":
        return predictions
    chances = np.clip(predictions, _SURE, 1 - _SURE)
    if task == "binary":
        return np.log(chances) - np.log1p(-chances)
    return np.log(chances)


def predictions_of(task: Task, margins: Array) -> Array:
    """What a link makes of margins: the other way than `margins_of`."""
    if task == "regression":
        return margins
    if task == "binary":
        return 0.5 * (1.0 + np.tanh(0.5 * margins))
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    chances: Array = powers / powers.sum(axis=1, keepdims=True)
    return chances
