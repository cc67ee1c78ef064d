"""What a model must be better than: predictions that look at no feature."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.config.metrics import LESS_IS_BETTER
from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.intervals import difference
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.metrics import metrics_of

Array = NDArray[np.float64]


class Gain(msgspec.Struct, frozen=True):
    """By how much a model is better in a metric's own unit, with its 95 % interval."""

    value: float
    low: float
    high: float


class Baseline(msgspec.Struct, frozen=True):
    """Predictions of the same number for every row: what they are, and what they are worth.

    `gain` is what the model adds, by metric, on the same rows.
    """

    what: str
    metrics: Mapping[str, float]
    gain: Mapping[str, Gain]


def baseline_of(judged: Judged, fitted: Array) -> Baseline:
    """Of the targets that the model was fitted on, shape (m,): their shares, or their mean."""
    task, n = judged.question.task, len(judged.target)
    if task == "regression":
        constant, what = np.full(n, fitted.mean()), "the mean of the fitted rows"
    else:
        counts = np.bincount(fitted.astype(np.int64), minlength=judged.question.classes)
        shares = counts / len(fitted)
        what = "each class's share of the fitted rows"
        constant = np.full(n, shares[1]) if task == "binary" else np.tile(shares, (n, 1))
    return Baseline(
        what,
        metrics_of(task, judged.target, constant, judged.question.threshold),
        gains(judged.question, judged.target, (judged.predictions, constant)),
    )


def gains(
    question: Question,
    target: Array,
    pair: tuple[Array, Array],
    thresholds: tuple[float, float] | None = None,
) -> dict[str, Gain]:
    """By how much the first predictions are better than the second, by metric.

    Labels are by the threshold of each; without `thresholds` both by the question's.
    """
    each = thresholds or (question.threshold, question.threshold)
    ours, theirs = (
        metrics_of(question.task, target, p, t) for p, t in zip(pair, each, strict=True)
    )
    found = {}
    for name in ours:
        if name in theirs:
            value, ends = difference(question.task, name, target, pair, thresholds=each)
            sides = (value, ends.low, ends.high)
            if name in LESS_IS_BETTER:
                sides = (-value, -ends.high, -ends.low)
            found[name] = Gain(*(float(side) for side in sides))
    return found
