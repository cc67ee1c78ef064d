"""Predict with XGBoost itself, the library of training, from its UBJSON."""

from __future__ import annotations

import numpy as np

from mlops_cli.bundle.manifest import Task
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.xgboost_few_rows import FewRows, open_few_rows
from mlops_cli.serving.xgboost_library import Booster, XGBoostFault
from mlops_cli.serving.xgboost_trees import check_xgboost


class XGBoostModel:
    """A booster; its numbers are those of `Booster.predict` of the Python package, to the bit."""

    def __init__(self, booster: Booster, few: FewRows | None = None) -> None:
        self._booster = booster
        self._few = few
        self._most = few.most if few is not None else 0

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""
        if not len(matrix):  # the library loses the number of classes
            return self.predict(np.zeros((1, matrix.shape[1]), np.float32))[:0]
        if self._few is not None and len(matrix) <= self._most:
            return self._few.predict(matrix).astype(np.float64)
        return self._booster.predict(matrix).astype(np.float64)

    def contributions(self, matrix: Matrix) -> tuple[Raw, Raw]:
        """See `Contributing.contributions`: exact TreeSHAP (Lundberg et al. 2018)."""
        if not len(matrix):
            parts, margins = self.contributions(np.zeros((1, matrix.shape[1]), np.float32))
            return parts[:0], margins[:0]
        found = self._booster.contributions(matrix).astype(np.float64)
        margins = self._booster.predict(matrix, "margin").astype(np.float64)
        parts = found.reshape(len(matrix), -1, self._booster.width + 1)
        return parts[:, :, :-1].transpose(0, 2, 1), margins.reshape(len(matrix), -1)

    def interactions(self, matrix: Matrix) -> Raw | None:
        """Exact interactions of pairs of features, shape (n, f, f); None of several outputs."""
        found = self._booster.contributions(matrix, "interactions").astype(np.float64)
        return found[:, :-1, :-1] if found.ndim == 3 else None


def check(content: bytes, features: int) -> None:
    """Raise `ValueError` for what is no `model.ubj`, or has trees that cannot be followed."""
    del features  # a booster knows its own
    check_xgboost(content)


def load(content: bytes, task: Task, threads: int) -> XGBoostModel:
    """A model from what `check` let pass. Raises `ValueError` where XGBoost refuses it."""
    del task  # the objective in the file gives probabilities or values
    try:
        booster = Booster(content, threads)
        return XGBoostModel(booster, open_few_rows(content, threads, booster))
    except XGBoostFault as e:
        raise ValueError(e.message) from e
