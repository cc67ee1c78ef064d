"""What came of the data's rows: a model's classes by name, and how well it predicts them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.bundle.manifest import ClassLabel, class_key
from mlops_cli.config.metrics import METRICS
from mlops_cli.errors import DataError
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.importing.base import Original
from mlops_cli.training.tree_splits import Numbers


def classes_of(original: Original, answers: pa.Array | None) -> tuple[ClassLabel, ...] | None:
    """The labels in the order of the model's outputs; None of a regression.

    Those that the model holds, else the target's values in ascending order, else numbers from 0.
    Raises `DataError` where the target's values are others, or not as many.
    """
    if original.task == "regression":
        return None
    found = None if answers is None else _labels(answers)
    if found is None:
        return original.classes or tuple(range(original.outputs))
    if original.classes is None and len(found) == original.outputs:
        return found
    known = original.classes or ()
    alike = {class_key(label): label for label in found}
    if original.classes and {class_key(label) for label in known} >= alike.keys():
        return tuple(alike.get(class_key(label), label) for label in known)
    there = ", ".join(map(class_key, found))[:200]
    raise DataError(
        f"the target's values are {there}, and the model's classes are "
        f"{', '.join(map(class_key, known)) or f'{original.outputs} that it does not name'}",
        hint="give rows of every class, or the target as the model was trained on it",
    )


def metrics_of(
    original: Original, classes: tuple[ClassLabel, ...] | None, matrix: Numbers, answers: pa.Array
) -> Mapping[str, float]:
    """Every metric of the model's task on rows (n, f) whose target is known, as far as defined."""
    rows = np.flatnonzero(np.asarray(answers.is_valid()))
    if classes is None:
        truth = np.asarray(answers.take(rows).cast(pa.float64()).to_numpy(), np.float64)
    else:
        order = {class_key(label): float(i) for i, label in enumerate(classes)}
        truth = np.array([order[class_key(v)] for v in _values(answers.take(rows))])
    keep = np.isfinite(truth)
    predictions, found = original.predict(matrix[rows][keep]), {}
    for name in METRICS[original.task]:
        try:
            value = metric_of(original.task, name).value(truth[keep], predictions)
        except (DataError, ValueError):  # such as of one class only
            continue
        if np.isfinite(value):
            found[name] = float(value)
    return found


def _labels(answers: pa.Array) -> tuple[ClassLabel, ...]:
    return tuple(sorted(set(_values(answers.drop_null()))))


def _values(answers: pa.Array) -> list[ClassLabel]:
    """Classes that a file holds as 0.0 and 1.0 are whole numbers."""
    if pa.types.is_floating(answers.type):
        whole = answers.cast(pa.float64())
        if not pc.all(pc.equal(whole, pc.floor(whole))).as_py():
            raise DataError(
                "the target holds fractions, and the model predicts classes",
                hint="name the column of its classes: --target COLUMN",
            )
        answers = whole.cast(pa.int64())
    values: list[ClassLabel] = answers.to_pylist()
    return values
