"""What models trained at other times would have been worth: a policy replayed with its models."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.metrics import Metric

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]
Predict = Callable[[Matrix], Array]
Fit = Callable[[Matrix, Array], Predict]


@dataclass(frozen=True, slots=True)
class Labelled:
    """The rows of a window that have a label.

    `matrix` is float32 of shape (n, f), `target` float64 of shape (n,); `said` is what was answered
    then, shape (n,) or (n, classes).
    """

    start: datetime
    end: datetime
    matrix: Matrix
    target: Array
    said: Array


@dataclass(frozen=True, slots=True)
class Strategy:
    """What came of training at some times: `never` has none of them.

    `score` is the mean of the main metric over `windows`, each by its rows, of the model that was
    the newest when the window began; `seconds` is what the fits took.
    """

    name: str
    retrained: tuple[datetime, ...]
    score: float
    windows: int
    seconds: float


class Replay:
    """Fits models of what was known at a moment, each once, and judges windows by them."""

    def __init__(
        self,
        windows: Sequence[Labelled],
        base: tuple[Matrix, Array],
        fit: Fit,
        metric: Metric,
        *,
        labels_after: timedelta,
    ) -> None:
        self._windows = sorted(windows, key=lambda w: w.start)
        self._base = base
        self._fit = fit
        self._metric = metric
        self._late = labels_after
        self._models: dict[datetime, tuple[Predict, float]] = {}

    def of(self, name: str, retrained: Sequence[datetime]) -> Strategy:
        """What training at these times, in order, would have come to.

        A window is answered by the newest model that was fitted before it began; before the first
        one by the model that did answer.
        """
        scores, rows = [], []
        for window in self._windows:
            newest = bisect_right(retrained, window.start)
            said = window.said if not newest else self._model(retrained[newest - 1])(window.matrix)
            score = self._metric.value(window.target, said)
            if np.isfinite(score):
                scores.append(float(score))
                rows.append(len(window.target))
        used = [moment for moment in retrained if moment in self._models]
        return Strategy(
            name=name,
            retrained=tuple(retrained),
            score=round(float(np.average(scores, weights=rows)), 6) if scores else float("nan"),
            windows=len(scores),
            seconds=round(sum(self._models[moment][1] for moment in used), 2),
        )

    def _model(self, moment: datetime) -> Predict:
        """The model of training's rows and those whose labels had come by then."""
        if moment not in self._models:
            known = [w for w in self._windows if w.end + self._late <= moment]
            matrix = np.concatenate([self._base[0], *(w.matrix for w in known)])
            target = np.concatenate([self._base[1], *(w.target for w in known)])
            began = time.monotonic()
            predict = self._fit(matrix, target)
            self._models[moment] = predict, time.monotonic() - began
        return self._models[moment][0]


def usual_times(windows: Sequence[Labelled]) -> Mapping[str, list[datetime]]:
    """What others do: never train again, after each window, or once in 30 days."""
    ends = sorted(w.end for w in windows)
    monthly: list[datetime] = []
    for end in ends:
        if end - (monthly[-1] if monthly else ends[0]) >= timedelta(days=30):
            monthly.append(end)
    return {"never": [], "always": ends[:-1], "monthly": monthly}
