"""A fitted pipeline of scikit-learn: its predictions, what it uses, and its ONNX form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import BaseEnsemble
from sklearn.pipeline import Pipeline
from sklearn.tree import BaseDecisionTree

from mlops_cli.bundle.manifest import Feature
from mlops_cli.training.base import Problem
from mlops_cli.training.incremental import NOTE, state_of
from mlops_cli.training.onnx import difference, to_onnx

Matrix = NDArray[np.float32]


class SklearnModel:
    """`Fitted`: a pipeline from the matrix to predictions."""

    def __init__(
        self, pipeline: Any, problem: Problem, spread: NDArray[np.float64], path: str
    ) -> None:
        self._pipeline = pipeline
        self._path = path
        self._problem = problem
        self._spread = spread  # of the columns that a linear model sees: see `spread_of`

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """See `Fitted.predict`."""
        if self._problem.task == "regression":
            return np.asarray(self._pipeline.predict(matrix), dtype=np.float64).reshape(-1)
        chances = np.asarray(self._pipeline.predict_proba(matrix), dtype=np.float64)
        return chances[:, 1] if self._problem.task == "binary" else chances

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: of trees their own, else the size of coefficients.

        A coefficient counts times its column's standard deviation, so that all are alike. An
        estimator that has neither shares its use evenly.
        """
        trees = is_tree(self._pipeline[-1])
        owners = list(_owners(self._problem, one_hot=not trees))
        use = _use_of_columns(self._pipeline[-1], len(owners), self._spread)
        shares = {f.name: 0.0 for f in self._problem.features}
        for name, value in zip(owners, use.tolist(), strict=True):
            shares[name] += value
        total = sum(shares.values())
        return {name: value / total if total else 0.0 for name, value in shares.items()}

    def content(self) -> bytes:
        """See `Fitted.content`: ONNX, and beside it what a later fit goes on from."""
        state = state_of(self._path, self._pipeline)
        notes = {} if state is None else {NOTE: state}
        return to_onnx(self._pipeline, len(self._problem.features), self._problem.task, notes)

    def disagreement(self, matrix: Matrix) -> str | None:
        """How the ONNX form differs from the pipeline on these rows; None where it does not."""
        return difference(self.content(), matrix, self.predict(matrix), self._problem.task)


def is_tree(model: Any) -> bool:
    """Whether it, or the last step of a pipeline, takes the filled features as they are."""
    while isinstance(model, Pipeline):
        model = model.steps[-1][1]
    histogram = "_hist_gradient_boosting" in type(model).__module__
    return histogram or isinstance(model, BaseDecisionTree | BaseEnsemble)


def spread_of(matrix: Matrix, features: Sequence[Feature]) -> NDArray[np.float64]:
    """The standard deviation of each column that a linear model sees, by `Sklearn`.

    Numbers are scaled to 1; a category's column is 1 in a share of the rows, and 0 in the others.
    """
    found = [np.ones(sum(f.kind == "numeric" for f in features))]
    for i, f in enumerate(features):
        if f.kind == "category":
            codes = matrix[~np.isnan(matrix[:, i]), i].astype(np.int64)
            width = len(f.categories or ("",))
            shares = np.bincount(codes[codes >= 0], minlength=width)[:width] / len(matrix)
            found.append(np.sqrt(shares * (1 - shares)))
    return np.concatenate(found)


def _use_of_columns(model: Any, width: int, spread: NDArray[np.float64]) -> NDArray[np.float64]:
    while isinstance(model, Pipeline):
        model = model[-1]
    use = getattr(model, "feature_importances_", None)
    if use is None and (weights := getattr(model, "coef_", None)) is not None:
        use = np.abs(np.atleast_2d(weights)).sum(axis=0)
        use = use * spread if len(use) == len(spread) else use
    # A pipeline of a project's own may have made other columns of ours.
    return np.ones(width) if use is None or len(use) != width else np.asarray(use, np.float64)


def _owners(problem: Problem, *, one_hot: bool) -> Iterator[str]:
    """The feature of each column that the estimator sees, in the order of `_preparation`."""
    yield from (f.name for f in problem.features if f.kind == "numeric")
    for f in problem.features:
        if f.kind == "category":
            yield from [f.name] * (len(f.categories or ("",)) if one_hot else 1)
