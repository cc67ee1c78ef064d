"""Predictions of the hold-out with what came of them: what every part of an evaluation reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import THRESHOLD, ClassLabel, class_key
from mlops_cli.evaluation.base import Question

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Rows of the hold-out; `target` and `predictions` are as in `training.base`.

    A row is of the positive class from the probability `threshold` on; `costs` are of a false
    positive and of a false negative.
    """

    question: Question
    classes: tuple[ClassLabel, ...] | None
    target: Array
    predictions: Array
    threshold: float = THRESHOLD
    costs: tuple[float, float] = (1.0, 1.0)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as text, in the order of the model's numbers; none of a regression."""
        return tuple(class_key(label) for label in self.classes or ())

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The class that each row's label is, shape (n,); not of a regression."""
        p = self.predictions
        found = p >= self.threshold if p.ndim == 1 else p.argmax(axis=1)
        return found.astype(np.int64)

    @cached_property
    def losses(self) -> Array:
        """Each row's own loss, shape (n,): squared error, or log loss."""
        y, p = self.target, self.predictions
        if self.question.task == "regression":
            return np.asarray((y - p) ** 2)
        if p.ndim == 1:
            own = np.where(y == 1, p, 1 - p)
        else:
            own = p[np.arange(len(y)), y.astype(np.int64)] / p.sum(axis=1)
        return np.asarray(-np.log(np.clip(own, np.finfo(np.float64).eps, 1.0)))
