"""The metrics by name: for which task, which way is better, and their value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlops_cli.bundle.manifest import THRESHOLD, Task
from mlops_cli.errors import DataError
from mlops_cli.serving.predictions import class_indices

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `value(target, predictions)`, of arrays as in `training.base`.

    `needs_every_class`: every one must be among the rows, or it is undefined. `by_threshold`: it is
    of labels, and `value` takes the threshold of those as a third argument.
    """

    name: str
    greater_is_better: bool
    value: Callable[..., float]
    needs_every_class: bool = False
    by_threshold: bool = False


def _accuracy(y: Array, p: Array, threshold: float = THRESHOLD) -> float:
    return float(np.mean(class_indices(p, threshold) == y))


def _f1(y: Array, p: Array, threshold: float = THRESHOLD) -> float:
    said = class_indices(p, threshold).astype(np.float64)
    return float(sk.f1_score(y, said, zero_division=0.0))


def _log_loss(y: Array, p: Array) -> float:
    return float(sk.log_loss(y, p, labels=[0.0, 1.0]))


def _log_loss_of_classes(y: Array, p: Array) -> float:
    chances = p / p.sum(axis=1, keepdims=True)  # float32 sums to 1 but for rounding
    return float(sk.log_loss(y, chances, labels=np.arange(p.shape[1], dtype=np.float64)))


def _auc_one_vs_rest(y: Array, p: Array) -> float:
    # By hand, since scikit-learn refuses float32 probabilities that sum to 1 but for rounding.
    aucs = [sk.roc_auc_score(y == k, p[:, k]) for k in range(p.shape[1])]
    return float(np.mean(aucs))


def _f1_macro(y: Array, p: Array) -> float:
    labels = np.arange(p.shape[1])
    found = sk.f1_score(y, p.argmax(axis=1), labels=labels, average="macro", zero_division=0.0)
    return float(found)


_BINARY = (
    Metric("roc_auc", True, lambda y, p: float(sk.roc_auc_score(y, p)), needs_every_class=True),
    Metric("log_loss", False, _log_loss),
    Metric(
        "average_precision",
        True,
        lambda y, p: float(sk.average_precision_score(y, p)),
        needs_every_class=True,
    ),
    Metric("brier", False, lambda y, p: float(np.mean((p - y) ** 2))),
    Metric("accuracy", True, _accuracy, by_threshold=True),
    Metric("f1", True, _f1, by_threshold=True),
)
_MULTICLASS = (
    Metric("log_loss", False, _log_loss_of_classes),
    Metric("accuracy", True, lambda y, p: float(np.mean(p.argmax(axis=1) == y))),
    Metric("f1_macro", True, _f1_macro),
    Metric("roc_auc_ovr", True, _auc_one_vs_rest, needs_every_class=True),
)
_REGRESSION = (
    Metric("rmse", False, lambda y, p: float(np.sqrt(np.mean((p - y) ** 2)))),
    Metric("mae", False, lambda y, p: float(np.mean(np.abs(p - y)))),
    Metric("r2", True, lambda y, p: float(sk.r2_score(y, p))),
)
METRICS: dict[Task, dict[str, Metric]] = {
    "binary": {m.name: m for m in _BINARY},
    "multiclass": {m.name: m for m in _MULTICLASS},
    "regression": {m.name: m for m in _REGRESSION},
}


def metric_of(task: Task, name: str, threshold: float = THRESHOLD) -> Metric:
    """The metric `name` of a task, which the configuration is held to have, by the threshold."""
    return _by(METRICS[task][name], threshold)


def _by(metric: Metric, threshold: float) -> Metric:
    if not metric.by_threshold or threshold == THRESHOLD:
        return metric
    return replace(metric, value=partial(metric.value, threshold=threshold))


def check_classes(target: Array, *, classes: int, metric: Metric, part: str) -> None:
    """Hold a part to what the metric needs of it.

    Raises `DataError` where a class that the metric needs has no row in the part named `part`.
    """
    counts = np.bincount(target.astype(np.int64), minlength=classes) if classes else np.array([])
    if metric.needs_every_class and (counts == 0).any():
        raise DataError(
            f"{metric.name} is undefined on the {part} part: of its {len(target)} rows "
            f"{_said(counts)}",
            hint="give split.validation and split.holdout larger shares, split.by: stratified, "
            "or train.metric another metric",
        )


def _said(counts: NDArray[np.int64]) -> str:
    shown = [f"{n} are of class {k}" for k, n in enumerate(counts.tolist())]
    return ", ".join(shown[:6]) + (" ..." if len(shown) > 6 else "")


def metrics_of(
    task: Task, target: Array, predictions: Array, threshold: float = THRESHOLD
) -> dict[str, float]:
    """Every metric of the task that is defined on these rows, by name; labels by the threshold."""
    classes = 0 if task == "regression" else (2 if task == "binary" else predictions.shape[1])
    every = len(np.unique(target)) == classes
    found = {}
    for name, metric in METRICS[task].items():
        if metric.needs_every_class and not every:
            continue
        value = _by(metric, threshold).value(target, predictions)
        if np.isfinite(value):
            found[name] = value
    return found
