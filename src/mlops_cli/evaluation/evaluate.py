"""What a model is worth on rows: all metrics, and the interval of the main one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.intervals import Interval, interval
from mlops_cli.evaluation.metrics import check_classes, metric_of, metrics_of

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics by name, and the main one's interval."""

    metrics: dict[str, float]
    interval: Interval

    def flat(self, metric: str) -> dict[str, float]:
        """The metrics, the main one first, with `<metric>_low` and `<metric>_high` after it."""
        main = {metric: self.metrics[metric]}
        ends = {f"{metric}_low": self.interval.low, f"{metric}_high": self.interval.high}
        return main | ends | self.metrics


def evaluate(question: Question, target: Array, predictions: Array) -> Evaluation:
    """Judge predictions of the hold-out; the arrays are as in `training.base`.

    Raises `DataError` where the main metric is undefined on these rows.
    """
    check_part(question, target, "hold-out")
    return Evaluation(
        metrics=metrics_of(question.task, target, predictions, question.threshold),
        interval=interval(
            question.task,
            question.metric,
            target,
            predictions,
            threshold=question.threshold,
        ),
    )


def check_part(question: Question, target: Array, part: str) -> None:
    """Raise `DataError` where the main metric is undefined on the part of that name."""
    metric = metric_of(question.task, question.metric)
    check_classes(target, classes=question.classes, metric=metric, part=part)
