"""What a model is worth on rows: all metrics, and the interval of the main one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli.training.base import Problem
from mlops_cli.training.intervals import Interval, interval
from mlops_cli.training.metrics import check_classes, evaluate, metric_of

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Metrics by name, and the main one's interval."""

    metrics: dict[str, float]
    interval: Interval

    def flat(self, metric: str) -> dict[str, float]:
        """The metrics, the main one first, with `<metric>_low` and `<metric>_high` after it."""
        main = {metric: self.metrics[metric]}
        ends = {f"{metric}_low": self.interval.low, f"{metric}_high": self.interval.high}
        return main | ends | self.metrics


def judge(problem: Problem, target: Array, predictions: Array) -> Judgement:
    """Judge predictions of the hold-out.

    Raises `DataError` where the main metric is undefined on these rows.
    """
    check_part(problem, target, "hold-out")
    return Judgement(
        metrics=evaluate(problem.task, target, predictions),
        interval=interval(problem.task, problem.metric, target, predictions),
    )


def check_part(problem: Problem, target: Array, part: str) -> None:
    """Raise `DataError` where the main metric is undefined on the part of that name."""
    metric = metric_of(problem.task, problem.metric)
    check_classes(target, classes=problem.classes, metric=metric, part=part)
