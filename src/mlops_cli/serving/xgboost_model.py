"""Predict with XGBoost itself, the library of training, from its UBJSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlops_cli.bundle.manifest import Task
from mlops_cli.errors import BundleError
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.xgboost_library import Booster, XGBoostFault
from mlops_cli.serving.xgboost_trees import check_xgboost


class XGBoostModel:
    """A booster; its numbers are those of `Booster.predict` of the Python package, to the bit."""

    def __init__(self, booster: Booster) -> None:
        self._booster = booster

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""
        width = self._booster.width
        if matrix.shape[1] != width:
            raise BundleError(f"the model takes {width} features, and got {matrix.shape[1]}")
        if not len(matrix):  # the library loses the number of classes
            return self.predict(np.zeros((1, width), np.float32))[:0]
        return self._booster.predict(matrix).astype(np.float64)

    def contributions(self, matrix: Matrix) -> tuple[Raw, Raw]:
        """See `Contributing.contributions`: exact TreeSHAP (Lundberg et al. 2018)."""
        found = self._booster.contributions(matrix).astype(np.float64)
        margins = self._booster.predict(matrix, "margin").astype(np.float64)
        parts = found.reshape(len(matrix), -1, self._booster.width + 1)
        return parts[:, :, :-1].transpose(0, 2, 1), margins.reshape(len(matrix), -1)


def load(file: Path, task: Task, features: int, threads: int) -> XGBoostModel:
    """Load `model.ubj`. Raises `BundleError` where XGBoost refuses it, and `ValueError` where its
    trees cannot be followed."""
    # The objective in the file gives probabilities or values, and it knows its features.
    del task, features
    content = file.read_bytes()
    check_xgboost(content)
    try:
        return XGBoostModel(Booster(content, threads))
    except XGBoostFault as e:
        raise BundleError(f"XGBoost refuses {file}: {str(e)[:300]}", hint="train again") from e
