"""Hold the served form of a model to its library, as an import does, without a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mlops_cli.importing.base import Original
from mlops_cli.importing.proof import Proven, prove
from mlops_cli.progress import QUIET
from mlops_cli.serving import onnx_model, xgboost_model

NAMES = ("plain", "code", "many", "large", "small")
ROWS = 800


def rows() -> tuple[Any, Any]:
    """A matrix of numbers, codes and gaps (n, 5) as float64, and a value that hangs on them."""
    draw = np.random.default_rng(0)
    codes = [draw.integers(0, 5, ROWS), draw.integers(0, 40, ROWS)]
    normal, size = draw.normal(size=ROWS), draw.exponential(size=ROWS)
    matrix = np.c_[normal, *codes, draw.normal(size=ROWS) * 1e6, size].astype(np.float32)
    value = normal + 2 * (codes[1] % 3 == 0) + matrix[:, 3] / 1e6 - size
    gaps = draw.random(matrix.shape) < 0.1
    gaps[:, [1, 4]] = False
    matrix[gaps] = np.nan
    return matrix.astype(np.float64), value


def hold(original: Original, folder: Path, data: Any) -> Proven:
    """What the proof says of the form that is served; raises `UsageError` as an import does."""
    adapter = xgboost_model if original.kind == "xgboost" else onnx_model
    file = folder / "model"
    file.write_bytes(original.contents[0])
    content = file.read_bytes()
    adapter.check(content, original.width)
    served = adapter.load(content, original.task, 1)
    return prove(original, served.predict, data, NAMES, progress=QUIET)
