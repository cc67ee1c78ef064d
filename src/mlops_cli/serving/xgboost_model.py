"""Predict with XGBoost itself, the library of training, from its UBJSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xgboost

from mlops_cli.bundle.manifest import Task
from mlops_cli.errors import BundleError
from mlops_cli.serving.models import Matrix, Raw


class XGBoostModel:
    """A booster; `inplace_predict` gives the very floats of `Booster.predict`, and sooner."""

    def __init__(self, booster: xgboost.Booster, threads: int) -> None:
        self._booster = booster
        self._threads = threads
        self._width = booster.num_features()

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`. The width is checked here: the library's check costs a row twice."""
        if matrix.shape[1] != self._width:
            raise BundleError(f"the model takes {self._width} features, and got {matrix.shape[1]}")
        if not len(matrix):  # the library loses the number of classes
            return self.predict(np.zeros((1, self._width), np.float32))[:0]
        raw = self._booster.inplace_predict(matrix, validate_features=False)
        return np.asarray(raw, dtype=np.float64)

    def contributions(self, matrix: Matrix) -> tuple[Raw, Raw]:
        """See `Contributing.contributions`: exact TreeSHAP (Lundberg et al. 2018)."""
        rows = xgboost.DMatrix(matrix, nthread=self._threads)
        found = self._booster.predict(rows, pred_contribs=True, validate_features=False)
        margins = self._booster.inplace_predict(
            matrix, predict_type="margin", validate_features=False
        )
        parts = np.asarray(found, dtype=np.float64).reshape(len(matrix), -1, self._width + 1)
        return (
            parts[:, :, :-1].transpose(0, 2, 1),
            np.asarray(margins, dtype=np.float64).reshape(len(matrix), -1),
        )


def load(file: Path, task: Task, threads: int) -> XGBoostModel:
    """Load `model.ubj`. Raises `BundleError` where XGBoost refuses it."""
    del task  # the objective in the file gives probabilities or values already
    try:
        booster = xgboost.Booster({"nthread": threads}, model_file=bytearray(file.read_bytes()))
        booster.set_param({"nthread": threads, "device": "cpu"})
    except xgboost.core.XGBoostError as e:
        raise BundleError(f"XGBoost refuses {file}: {str(e)[:300]}", hint="train again") from e
    return XGBoostModel(booster, threads)
