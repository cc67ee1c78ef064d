"""What a model is worth on rows whose labels have not come, from how likely each label is.

Confidence-based: the model's probabilities are brought to what they meant on rows that no fit had
seen, and each metric is expected under them. The sampling spread is that of labels drawn with
these chances, wider where rows of a subject were alike in the reference; what the calibration
leaves open is carried over by the delta method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, ndtri

from mlops_cli.bundle.manifest import THRESHOLD, Task
from mlops_cli.bundle.profile import ScoreBins
from mlops_cli.evaluation.intervals import LEVEL
from mlops_cli.monitoring.performance.calibration import Curve, Placed, count_scores, curve_of
from mlops_cli.monitoring.performance.expected import BY_THRESHOLD, METRICS

Numbers = NDArray[np.float64]

BLIND = (
    "Estimated without labels: it sees that rows of another kind come, and cannot see that the "
    "same rows now mean something else (concept drift). Only labels show that."
)
"""What stands beside an estimate wherever one is shown."""

CHECKED = 30  # the latest windows with labels that tell whether estimates hold
DOUBT = 0.01  # how often so many would miss by chance
_LOSSES = {"log_loss", "brier", "rmse", "mae"}
_EXPECTED = 1.0  # rows that a class must be expected to have: fewer have no AUC


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a metric will be when the labels come, and the 95 % interval of that."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Whether past estimates held: of `windows` with labels, `missed` lay outside their interval.

    `p_value` is how often chance alone gives so many misses; where it is small the estimate is
    unreliable.
    """

    windows: int
    missed: int
    p_value: float

    @property
    def reliable(self) -> bool:
        """Whether there is no reason for doubt; also where no labels have come yet."""
        return self.p_value > DOUBT


def scores_of(
    task: Task,
    target: Numbers,
    predictions: Numbers,
    groups: NDArray[np.int64] | None = None,
) -> tuple[ScoreBins, ...]:
    """What the model's probabilities meant on rows that no fit has seen; none of a regression.

    The arrays are as in `training.base`, `groups` codes of the subjects that rows are about, shape
    (n,), if any are known. Of two classes there is one, of the positive one.
    """
    if task == "regression" or not len(target):
        return ()
    if task == "binary":
        return (count_scores(predictions, target == 1, groups),)
    classes = range(predictions.shape[1])
    return tuple(count_scores(predictions[:, k], target == k, groups) for k in classes)


def estimate(
    task: Task,
    scores: Sequence[ScoreBins],
    predictions: Numbers,
    *,
    threshold: float = THRESHOLD,
) -> dict[str, Estimated]:
    """Every metric of the task that can be expected on a window's `predictions`, by name.

    `threshold` is the probability from which on a row is called positive.
    `scores` is what `scores_of` gave of the reference. A metric that needs every class is left
    out where a class is expected fewer than once; an empty window has none.
    """
    if not len(predictions) or not scores:
        return {}
    curves = [curve_of(one) for one in scores]
    columns = [predictions] if predictions.ndim == 1 else list(predictions.T)
    placed = [curve.placed(column) for curve, column in zip(curves, columns, strict=True)]
    chances = _chances([one.chances for one in placed])
    alike = max(one.inflation for one in scores)
    enough = bool((chances.sum(axis=0) >= _EXPECTED).all())
    found = {}
    for name, expectation in METRICS[task].items():
        if not enough and name in {"roc_auc", "roc_auc_ovr", "average_precision"}:
            continue
        labels = (threshold,) if name in BY_THRESHOLD else ()
        value, slopes = expectation(chances, predictions, *labels)
        variance = alike * _of_labels(chances, slopes)
        variance += _of_curves(curves, placed, chances, slopes)
        found[name] = between(name, value, math.sqrt(variance))
    return found


def expected_log_loss(task: Task, scores: Sequence[ScoreBins], predictions: Numbers) -> float:
    """The value alone of the log loss that `estimate` gives; n > 0."""
    columns = [predictions] if predictions.ndim == 1 else list(predictions.T)
    each = [curve_of(one).chances(said) for one, said in zip(scores, columns, strict=True)]
    chances = _chances(each)
    return METRICS[task]["log_loss"](chances, predictions)[0]


def between(name: str, value: float, error: float) -> Estimated:
    """The value with its interval: on the log scale for a loss, else on that of log odds."""
    half = float(ndtri((1 + LEVEL) / 2)) * error
    if name in _LOSSES:
        factor = math.exp(min(700.0, half / value)) if value > 0 else 1.0
        return Estimated(value, value / factor, value * factor)
    if not 0 < value < 1:
        return Estimated(value, max(0.0, value - half), min(1.0, value + half))
    centre, half = math.log(value / (1 - value)), half / (value * (1 - value))
    return Estimated(value, *(0.5 * (1 + math.tanh((centre + h) / 2)) for h in (-half, half)))


def flat(estimated: dict[str, Estimated]) -> dict[str, float]:
    """The numbers by name: `<metric>`, `<metric>_low` and `<metric>_high`."""
    return {
        f"{name}{end}": number
        for name, e in estimated.items()
        for end, number in (("", e.value), ("_low", e.low), ("_high", e.high))
    }


def self_check(past: Iterable[tuple[float, float, float]]) -> SelfCheck:
    """Whether intervals held what labels later showed: (low, high, realised) by window, in time.

    The latest 30 count. If intervals are right, misses follow the binomial distribution.
    """
    latest = list(past)[-CHECKED:]
    missed = sum(not low <= realised <= high for low, high, realised in latest)
    p_value = float(bdtrc(missed - 1, len(latest), 1 - LEVEL)) if missed else 1.0
    return SelfCheck(len(latest), missed, p_value)


def _chances(by_curve: Sequence[Numbers]) -> Numbers:
    each = np.column_stack(by_curve)
    if len(by_curve) == 1:
        return np.column_stack([1 - each, each])
    return np.asarray(each / np.maximum(each.sum(axis=1, keepdims=True), 1e-12))


def _of_labels(chances: Numbers, slopes: Numbers) -> float:
    """The variance that labels drawn by their chances give a metric, to first order."""
    mean = (chances * slopes).sum(axis=1)
    return float((chances * slopes**2).sum() - (mean**2).sum())


def _of_curves(
    curves: Sequence[Curve], placed: Sequence[Placed], chances: Numbers, slopes: Numbers
) -> float:
    """The variance that the curves' own uncertainty gives it, class by class."""
    if len(curves) == 1:
        return curves[0].variance(placed[0], slopes[:, 1] - slopes[:, 0])
    total = np.maximum(sum(at.chances for at in placed), 1e-12)
    mean = (chances * slopes).sum(axis=1)  # a chance is its curve's share of all curves
    return sum(
        curve.variance(at, (slopes[:, k] - mean) / total)
        for k, (curve, at) in enumerate(zip(curves, placed, strict=True))
    )
