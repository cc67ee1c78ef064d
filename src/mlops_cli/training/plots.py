"""Small tables of the hold-out for `dvc plots`: CSV, the horizontal axis first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from mlops_cli.bundle.manifest import THRESHOLD, ClassLabel, Task, class_key
from mlops_cli.serving.predictions import class_indices

Array = NDArray[np.float64]
Table = tuple[Sequence[str], Iterable[Sequence[object]]]
POINTS = 101  # of a curve: every hundredth of its horizontal axis
BINS = 10
_CURVES = {
    "roc.csv": ("false_positive_rate", "true_positive_rate"),
    "precision_recall.csv": ("recall", "precision"),
}
SHOWN = 500  # rows of a scatter


def plots(
    task: Task,
    classes: Sequence[ClassLabel] | None,
    target: Array,
    predictions: Array,
    *,
    threshold: float = THRESHOLD,
) -> dict[str, str]:
    """The plots' files by name, of target and predictions as in `training.base`.

    Binary: ROC and precision-recall curves, calibration in ten bins of equal count, confusion.
    Multiclass: confusion and calibration of the chosen class. Regression: predictions against the
    target, and residuals by tenth of the predictions. `threshold` is the probability from which on
    a row is called positive.
    """
    if task == "regression":
        tables = _of_values(target, predictions)
    elif task == "binary":
        tables = _of_curves(target, predictions)
        tables["calibration.csv"] = _calibration(target == 1, predictions)
        labels = class_indices(predictions, threshold)
        tables["confusion.csv"] = _confusion(target, labels, classes or ())
    else:
        best = predictions.argmax(axis=1)
        tables = {"confusion.csv": _confusion(target, best, classes or ())}
        tables["calibration.csv"] = _calibration(target == best, predictions.max(axis=1))
    return {name: _text(table) for name, table in tables.items()}


def importance_plot(importance: Mapping[str, float]) -> dict[str, str]:
    """`importance.csv`: features by use, the most used first."""
    ranked = sorted(importance.items(), key=lambda kv: (-kv[1], kv[0]))
    rows = [(name, _round(value)) for name, value in ranked]
    return {"importance.csv": _text((("feature", "importance"), rows))}


def _of_curves(y: Array, p: Array) -> dict[str, Table]:
    if len(np.unique(y)) < 2:  # undefined: tables without a row
        return {name: (header, ()) for name, header in _CURVES.items()}
    grid = np.linspace(0, 1, POINTS)
    fpr, tpr, _ = sk.roc_curve(y, p)
    precision, recall, _ = sk.precision_recall_curve(y, p)
    # At each recall the best precision that is had with at least that recall.
    best = np.maximum.accumulate(precision)
    return {
        "roc.csv": (_CURVES["roc.csv"], _pairs(grid, np.interp(grid, fpr, tpr))),
        "precision_recall.csv": (
            _CURVES["precision_recall.csv"],
            _pairs(grid, np.interp(grid, recall[::-1], best[::-1])),
        ),
    }


def _calibration(hit: NDArray[np.bool_], p: Array) -> Table:
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, BINS) if len(b)]
    rows = [(_round(p[b].mean()), _round(hit[b].mean())) for b in bins]
    return ("predicted", "observed"), rows


def _confusion(y: Array, found: NDArray[np.int64], classes: Sequence[ClassLabel]) -> Table:
    # One line a row, which is what DVC's confusion template counts; a pair stands in for its rows.
    pairs, counts = np.unique(
        np.stack([y.astype(np.int64), found], axis=1), axis=0, return_counts=True
    )
    rows = [
        (class_key(classes[a]), class_key(classes[b]), n)
        for (a, b), n in zip(pairs.tolist(), counts.tolist(), strict=True)
    ]
    return ("actual", "predicted", "rows"), rows


def _of_values(y: Array, p: Array) -> dict[str, Table]:
    chosen = np.unique(np.linspace(0, len(y) - 1, min(SHOWN, len(y))).astype(np.int64))
    order = np.argsort(p, kind="stable")
    bins = [b for b in np.array_split(order, BINS) if len(b)]
    residuals = [(_round(p[b].mean()), _round((y[b] - p[b]).mean())) for b in bins]
    return {
        "predictions.csv": (("predicted", "actual"), _pairs(p[chosen], y[chosen])),
        "residuals.csv": (("predicted", "mean_residual"), residuals),
    }


def _pairs(x: Array, y: Array) -> list[tuple[float, float]]:
    return [(_round(a), _round(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _text(table: Table) -> str:
    header, rows = table
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
