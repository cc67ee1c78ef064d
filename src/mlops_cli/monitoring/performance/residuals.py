"""Concept drift, once labels have come: do the same answers go with other outcomes than before?

What each row's label or error was expected to be, given the model's answer, follows from rows that
no fit had seen. That rows of another kind come moves the expectation along, and is no concept
drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, fdtrc

from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.profile import LossTree, ScoreBins
from mlops_cli.monitoring.performance.calibration import Curve, curve_of
from mlops_cli.monitoring.performance.estimate import expected_log_loss
from mlops_cli.monitoring.performance.expected import log_loss
from mlops_cli.monitoring.performance.losses import estimate_losses, leaf_of

Numbers = NDArray[np.float64]
Groups = NDArray[np.int64]

LEAST = 30  # rows, or subjects, below which nothing is said
PARTS = 4  # of the rows by their score: each may have moved its own way
_FULL = 40  # subjects for all parts; half as many parts with fewer


@dataclass(frozen=True, slots=True)
class ConceptDrift:
    """Whether labels went with answers as before: the loss that was expected, and that was seen.

    `loss` names it: `log_loss`, or `mae` in the target's unit. `p_value` is how often chance alone
    gives labels so far from the expected ones; 1 where `units` (rows, or subjects) are fewer than
    30.
    """

    loss: str
    expected: float
    seen: float
    p_value: float
    units: int


def classified_drift(
    scores: Sequence[ScoreBins],
    target: Numbers,
    predictions: Numbers,
    groups: Groups | None = None,
) -> ConceptDrift:
    """Of a classifier's window; arrays as in `training.base`, `scores` by `scores_of`, n > 0.

    Sums of label minus chance over four parts of the rows by their score are held to their
    covariance: that of labels (between subjects where `groups` are known), and what the reference
    leaves open. Wald's test, by Hotelling's distribution where subjects are few; over the classes
    by Bonferroni.
    """
    task: Task = "binary" if predictions.ndim == 1 else "multiclass"
    columns = [predictions] if task == "binary" else list(predictions.T)
    labels = [target == (1 if task == "binary" else k) for k in range(len(columns))]
    units = _units(target, groups)
    p_values = [
        _of_class(curve_of(one), column, label.astype(np.float64), groups)
        for one, column, label in zip(scores, columns, labels, strict=True)
    ]
    classes = max(2, len(columns))
    own = np.eye(classes)[target.astype(np.int64)]
    return ConceptDrift(
        loss="log_loss",
        expected=expected_log_loss(task, scores, predictions),
        seen=log_loss(own, predictions)[0],
        p_value=min(1.0, len(p_values) * min(p_values)) if units >= LEAST else 1.0,
        units=units,
    )


def regressed_drift(
    tree: LossTree,
    features: Numbers,
    target: Numbers,
    predictions: Numbers,
    groups: Groups | None = None,
) -> ConceptDrift:
    """Of a regression's window, n > 0: its errors, and the sizes of these, against their leaves'.

    Each is Wald's test of a mean; of both the smaller p-value counts twice (Bonferroni).
    """
    at = leaf_of(tree, features, predictions)
    error = target - predictions
    units = _units(target, groups)
    p_values = [
        _of_mean(tree, at, error, "error", groups),
        _of_mean(tree, at, np.abs(error), "absolute", groups),
    ]
    return ConceptDrift(
        loss="mae",
        expected=estimate_losses(tree, features, predictions)["mae"].value,
        seen=float(np.abs(error).mean()),
        p_value=min(1.0, 2 * min(p_values)) if units >= LEAST else 1.0,
        units=units,
    )


def _units(target: Numbers, groups: Groups | None) -> int:
    return len(target) if groups is None else len(np.unique(groups))


def _of_class(curve: Curve, scores: Numbers, label: Numbers, groups: Groups | None) -> float:
    placed = curve.placed(scores)
    chance = placed.chances
    parts = PARTS if _units(label, groups) >= _FULL else PARTS // 2
    # Parts of equal variance, not of equal numbers: sure answers tell little.
    order = np.argsort(scores, kind="stable")
    spread = np.cumsum((chance * (1 - chance))[order])
    if spread[-1] <= 0:
        return 1.0
    part = np.empty(len(scores), dtype=np.int64)
    part[order] = np.minimum((spread / spread[-1] * parts).astype(np.int64), parts - 1)
    inside = (part[:, None] == np.arange(parts)).astype(np.float64)
    loads = np.array([curve.loads(placed, one) for one in inside.T])
    left_open = loads * curve.open @ loads.T
    return _wald(inside * (label - chance)[:, None], left_open, groups)


def _of_mean(
    tree: LossTree, at: NDArray[np.int64], values: Numbers, moment: str, groups: Groups | None
) -> float:
    mean, spread = np.array([getattr(leaf, moment) for leaf in tree.leaves]).T
    rows = np.array([leaf.rows for leaf in tree.leaves])
    counts = np.bincount(at, minlength=len(rows))
    left_open = tree.inflation * float((counts**2 * spread**2 / rows).sum())
    return _wald((values - mean[at])[:, None], np.array([[left_open]]), groups)


def _wald(residuals: Numbers, left_open: Numbers, groups: Groups | None) -> float:
    """The p-value of sums of `residuals`, shape (n, d), that are 0 but for chance.

    Their covariance is that of rows, or of subjects' sums (Liang and Zeger 1986, Biometrika 73),
    and `left_open`, shape (d, d).
    """
    if groups is not None:
        of = np.unique(groups, return_inverse=True)[1]
        residuals = np.column_stack([np.bincount(of, column) for column in residuals.T])
    units, d = residuals.shape
    if units <= d + 1:
        return 1.0
    sums = residuals.sum(axis=0)
    centred = residuals - residuals.mean(axis=0)
    covariance = centred.T @ centred * (units / (units - 1)) + left_open
    statistic = float(sums @ np.linalg.pinv(covariance, hermitian=True) @ sums)
    if groups is None and units >= 1000:
        return float(chdtrc(d, statistic))
    scaled = statistic * (units - d) / (d * (units - 1))
    return float(fdtrc(d, units - d, scaled))
