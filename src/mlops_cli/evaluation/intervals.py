"""How far a hold-out metric may be from its value on all rows of the kind: 95 % intervals.

All are analytic, so that nothing is drawn. Each takes the rows as independent of one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import rankdata

from mlops_cli.bundle.manifest import THRESHOLD, Task
from mlops_cli.evaluation.shares import wilson
from mlops_cli.serving.predictions import class_indices

LEVEL = 0.95
FEW = 5  # rows of a class whose scatter is no measure yet
Array = NDArray[np.float64]
_TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval, and the name of the method."""

    low: float
    high: float
    method: str


@dataclass(frozen=True, slots=True)
class _Estimate:
    """An estimate and the derivative of it by each row's weight, shape (n,), summing to 0."""

    value: float
    influence: Array
    rows: int  # what carries the information: of an AUC, the rarer class
    floor: float = 0.0  # of the standard error

    @property
    def error(self) -> float:
        """The standard error by the infinitesimal jackknife (Efron 1982, section 6.3)."""
        return max(self.floor, float(np.sqrt(np.sum(self.influence**2))))


def interval(
    task: Task,
    metric: str,
    target: Array,
    predictions: Array,
    *,
    threshold: float = THRESHOLD,
) -> Interval:
    """The interval of `metric` (a name of `evaluation.metrics`) on rows as in `training.base`.

    One of labels is of those by the threshold.
    """
    if metric == "accuracy":
        return share(class_indices(predictions, threshold) == target)
    how, scale = _METHODS[task, metric]
    if metric == "f1":
        how = partial(_f1, threshold=threshold)
    estimate = how(target, predictions)
    if scale == "logit":
        return _on_logit_scale(estimate, _name_of(metric))
    if metric == "r2":
        loss = _on_log_scale(estimate, "")
        return Interval(1 - loss.high, 1 - loss.low, "delta method, log scale of 1 - R2")
    if metric == "rmse":
        square = _on_log_scale(estimate, "")
        return Interval(math.sqrt(square.low), math.sqrt(square.high), "delta method, log scale")
    return _on_log_scale(estimate, "delta method, log scale")


def difference(
    task: Task,
    metric: str,
    target: Array,
    pair: tuple[Array, Array],
    *,
    thresholds: tuple[float, float] = (THRESHOLD, THRESHOLD),
) -> tuple[float, Interval]:
    """The metric of the first predictions less that of the second, on the same rows.

    The interval is of paired rows: what moves both does not widen it. One of labels is of those by
    the threshold of each.
    """
    one, other = (
        _estimate(task, metric, target, predictions, threshold=threshold)
        for predictions, threshold in zip(pair, thresholds, strict=True)
    )
    between = one.value - other.value
    error = float(np.sqrt(np.sum((one.influence - other.influence) ** 2)))
    half = _quantile(min(one.rows, other.rows)) * max(error, one.floor)
    return between, Interval(between - half, between + half, "paired delta method")


def _estimate(
    task: Task, metric: str, target: Array, predictions: Array, *, threshold: float
) -> _Estimate:
    """The metric itself with its influence: no scale is changed."""
    if metric == "accuracy":
        return _mean((class_indices(predictions, threshold) == target).astype(np.float64))
    if metric == "f1":
        return _f1(target, predictions, threshold)
    found = _METHODS[task, metric][0](target, predictions)
    if metric == "rmse":
        root = math.sqrt(found.value)
        return replace(found, value=root, influence=found.influence / (2 * root or 1.0))
    if metric == "r2":
        return replace(found, value=1 - found.value, influence=-found.influence)
    return found


def _name_of(metric: str) -> str:
    return "DeLong, logit scale" if metric == "roc_auc" else "infinitesimal jackknife, logit scale"


def _quantile(rows: int) -> float:
    return float(stdtrit(max(1, rows - 1), 1 - _TAIL))


def _on_logit_scale(e: _Estimate, method: str) -> Interval:
    """For what lies between 0 and 1: the interval stays there, and is right near the ends.

    At an end the standard error is 0 though the truth may lie inside: there the bound is that of
    as many successes in a row (Clopper and Pearson 1934).
    """
    bound = _TAIL ** (1 / max(1, e.rows))
    if e.value >= 1.0:
        return Interval(bound, 1.0, "Clopper-Pearson")
    if e.value <= 0.0:
        return Interval(0.0, 1 - bound, "Clopper-Pearson")
    centre = math.log(e.value / (1 - e.value))
    half = _quantile(e.rows) * e.error / (e.value * (1 - e.value))
    return Interval(_logistic(centre - half), _logistic(centre + half), method)


def _logistic(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))  # does not overflow


def _on_log_scale(e: _Estimate, method: str) -> Interval:
    """For what is positive, such as a loss: the interval is, too."""
    if e.value <= 0.0:
        return Interval(0.0, 0.0, method)
    factor = math.exp(min(700.0, _quantile(e.rows) * e.error / e.value))
    return Interval(e.value / factor, e.value * factor, method)


def share(right: NDArray[np.bool_]) -> Interval:
    """The interval of the share of rows that are true, shape (n,), n > 0."""
    return Interval(*wilson(float(right.sum()), len(right)), "Wilson")


def _mean(values: Array) -> _Estimate:
    n, mean = len(values), float(np.mean(values))
    # n - 1, not n: the standard error that Student's distribution goes with.
    return _Estimate(mean, (values - mean) / math.sqrt(n * max(1, n - 1)), n)


def _auc(positive: NDArray[np.bool_], score: Array) -> tuple[float, Array]:
    """The AUC and its influence by DeLong's placements (Sun and Xu 2014), in n log n."""
    m, n = int(positive.sum()), int((~positive).sum())
    every = rankdata(score)
    above = (every[positive] - rankdata(score[positive])) / n  # share of negatives below
    below = 1 - (every[~positive] - rankdata(score[~positive])) / m
    auc = float(np.mean(above))
    influence = np.empty(len(score))
    influence[positive] = (above - auc) / math.sqrt(m * max(1, m - 1))
    influence[~positive] = (below - auc) / math.sqrt(n * max(1, n - 1))
    return auc, influence


def _expected_error(auc: float, positives: int, negatives: int) -> float:
    """The standard error of an AUC by its value and the rows alone (Hanley and McNeil 1982).

    A few rows of a class may agree by chance, one always does: how far they scatter then says
    nothing. Of many rows their scatter is the better witness, and this is 0.
    """
    if min(positives, negatives) >= FEW:
        return 0.0
    first, second = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc) + (positives - 1) * (first - auc**2) + (negatives - 1) * (second - auc**2)
    )
    return math.sqrt(max(0.0, variance) / (positives * negatives))


def _roc_auc(y: Array, p: Array) -> _Estimate:
    auc, influence = _auc(y == 1, p)
    m = int((y == 1).sum())
    return _Estimate(auc, influence, min(m, len(y) - m), _expected_error(auc, m, len(y) - m))


def _roc_auc_ovr(y: Array, p: Array) -> _Estimate:
    each = [_auc(y == k, p[:, k]) for k in range(p.shape[1])]
    auc = float(np.mean([a for a, _ in each]))
    influence = np.asarray(np.mean([i for _, i in each], axis=0))
    sizes = [int((y == k).sum()) for k in range(p.shape[1])]
    errors = [_expected_error(a, m, len(y) - m) for (a, _), m in zip(each, sizes, strict=True)]
    # As if the classes were independent, which makes the floor no higher than it must be.
    floor = math.sqrt(sum(e**2 for e in errors)) / len(errors)
    return _Estimate(auc, influence, min(sizes), floor)


def _average_precision(y: Array, p: Array) -> _Estimate:
    """The derivative of sum(w * precision at the row) / sum(w), over the positive rows."""
    order = np.argsort(-p, kind="stable")
    score, positive = p[order], y[order] == 1
    last = np.searchsorted(-score, -score, side="right") - 1  # ties count as one threshold
    first = np.searchsorted(-score, -score, side="left")
    hits, seen = np.cumsum(positive)[last], (last + 1).astype(np.float64)
    total, precision = int(positive.sum()), hits / seen
    value = float(precision[positive].sum() / total)
    # A row counts in the precision at every positive row that stands with it or below it.
    gain, loss = (
        np.cumsum(np.where(positive, term, 0.0)[::-1])[::-1][first]
        for term in (1 / seen, hits / seen**2)
    )
    influence = (np.where(positive, precision - value + gain, 0.0) - loss) / total
    return _Estimate(value, influence, min(total, len(y) - total))


def _f1_of(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> tuple[float, Array]:
    """2 TP / (found + true) as a ratio of sums, and its influence."""
    above, below = 2.0 * (found & true), 1.0 * found + true
    if below.sum() == 0:
        return 0.0, np.zeros(len(true))
    value = float(above.sum() / below.sum())
    return value, (above - value * below) / below.sum()


def _f1(y: Array, p: Array, threshold: float = THRESHOLD) -> _Estimate:
    value, influence = _f1_of(class_indices(p, threshold) == 1, y == 1)
    return _Estimate(value, influence, len(y))


def _f1_macro(y: Array, p: Array) -> _Estimate:
    found = p.argmax(axis=1)
    each = [_f1_of(found == k, y == k) for k in range(p.shape[1])]
    value = float(np.mean([v for v, _ in each]))
    return _Estimate(value, np.asarray(np.mean([i for _, i in each], axis=0)), len(y))


def _log_loss(y: Array, p: Array) -> _Estimate:
    chances = np.stack([1 - p, p], axis=1) if p.ndim == 1 else p
    chances = chances / chances.sum(axis=1, keepdims=True)
    own = chances[np.arange(len(y)), y.astype(np.int64)]
    return _mean(-np.log(np.clip(own, np.finfo(np.float64).eps, 1.0)))


def _unexplained(y: Array, p: Array) -> _Estimate:
    """1 - R2, a ratio of sums; the mean in the lower one moves it to second order only."""
    above, below = (y - p) ** 2, (y - y.mean()) ** 2
    value = float(above.sum() / below.sum())
    return _Estimate(value, (above - value * below) / below.sum(), len(y))


_METHODS: dict[tuple[Task, str], tuple[Callable[[Array, Array], _Estimate], str]] = {
    ("binary", "roc_auc"): (_roc_auc, "logit"),
    ("binary", "average_precision"): (_average_precision, "logit"),
    ("binary", "f1"): (_f1, "logit"),
    ("binary", "log_loss"): (_log_loss, "log"),
    ("binary", "brier"): (lambda y, p: _mean((y - p) ** 2), "log"),
    ("multiclass", "log_loss"): (_log_loss, "log"),
    ("multiclass", "f1_macro"): (_f1_macro, "logit"),
    ("multiclass", "roc_auc_ovr"): (_roc_auc_ovr, "logit"),
    ("regression", "rmse"): (lambda y, p: _mean((y - p) ** 2), "log"),
    ("regression", "mae"): (lambda y, p: _mean(np.abs(y - p)), "log"),
    ("regression", "r2"): (_unexplained, "log"),
}
