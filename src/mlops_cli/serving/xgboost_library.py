"""XGBoost's C library, without its Python package: a call of that costs more than the prediction.

The functions are the public ones of https://xgboost.readthedocs.io/en/stable/c.html; docs/decisions
has why (015).
"""

from __future__ import annotations

import ctypes
import json
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlops_cli.errors import BundleError, EnvironmentFault

Output = Literal["value", "margin", "contributions", "interactions"]

_NAMES = {"win32": "xgboost.dll", "darwin": "libxgboost.dylib"}
_FILE = _NAMES.get(sys.platform, "libxgboost.so")
_TYPES: dict[Output, int] = {"value": 0, "margin": 1, "contributions": 2, "interactions": 4}
_SETTINGS = {
    name: json.dumps(
        {
            "type": number,
            "training": False,
            "iteration_begin": 0,
            "iteration_end": 0,
            "strict_shape": False,
            "missing": float("nan"),
            "cache_id": 0,
        }
    ).encode()
    for name, number in _TYPES.items()
}
_ARRAY = b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3}'
_COLUMN = b'{"data":[%d,true],"shape":[%d],"typestr":"%b","version":3}'
_SHOWN = 300  # characters of what the library says
_FLOATS = ctypes.POINTER(ctypes.c_float)
_LENGTHS = ctypes.POINTER(ctypes.c_uint64)


class XGBoostFault(BundleError):
    """What the library refuses, in its own words."""


class Booster:
    """A model in UBJSON or JSON; rows are numbers of shape (n, f), NaN is missing.

    They are read as float32, row by row: an array of another type or order is copied first. Raises
    `XGBoostFault` for what the library cannot read or does not predict, and for rows that have
    another width than the model: the library would read what stands in memory behind them.

    `width` says that there are more features than the model's own, which no tree asks for.
    """

    def __init__(self, content: bytes, threads: int, width: int | None = None) -> None:
        self._call = _library()
        self._handle = ctypes.c_void_p()
        self._check(self._call.XGBoosterCreate(None, 0, ctypes.byref(self._handle)))
        load = self._call.XGBoosterLoadModelFromBuffer
        self._check(load(self._handle, content, ctypes.c_uint64(len(content))))
        settings = {b"nthread": threads, b"num_feature": width}
        for name, value in settings.items():
            if value is not None:
                self._check(self._call.XGBoosterSetParam(self._handle, name, b"%d" % value))
        self._check(self._call.XGBoosterSetParam(self._handle, b"device", b"cpu"))
        found = ctypes.c_uint64()
        self._check(self._call.XGBoosterGetNumFeature(self._handle, ctypes.byref(found)))
        self.width = found.value
        self._making = json.dumps({"missing": float("nan"), "nthread": threads}).encode()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._call.XGBoosterFree(self._handle)

    def predict(
        self, rows: npt.NDArray[np.floating], output: Output = "value"
    ) -> npt.NDArray[np.float32]:
        """Values or margins, of shape (n,) or (n, k)."""
        rows = self.dense(rows)
        lengths, count, found = _LENGTHS(), ctypes.c_uint64(), _FLOATS()
        self._check(
            self._call.XGBoosterPredictFromDense(
                self._handle,
                _ARRAY % (rows.ctypes.data, *rows.shape),
                _SETTINGS[output],
                None,
                ctypes.byref(lengths),
                ctypes.byref(count),
                ctypes.byref(found),
            )
        )
        return _copied(lengths, count, found)

    def contributions(
        self, rows: npt.NDArray[np.floating], output: Output = "contributions"
    ) -> npt.NDArray[np.float32]:
        """Exact TreeSHAP: shape (n, f + 1), the bias last, or (n, k, f + 1).

        Interactions: the last axis twice, the main effects on the diagonal.
        """
        rows = self.dense(rows)
        matrix = ctypes.c_void_p()
        content = _ARRAY % (rows.ctypes.data, *rows.shape)
        make = self._call.XGDMatrixCreateFromDense
        self._check(make(content, self._making, ctypes.byref(matrix)))
        return self._of_matrix(matrix, output)

    def predict_sparse(
        self,
        values: npt.NDArray[np.float32],
        starts: npt.NDArray[np.uint64],
        columns: npt.NDArray[np.int32],
    ) -> npt.NDArray[np.float32]:
        """Values of rows in CSR form: row i has `values[starts[i]:starts[i + 1]]`.

        Each array is contiguous; there is a column, below `width`, for each value.
        """
        matrix = ctypes.c_void_p()
        self._check(
            self._call.XGDMatrixCreateFromCSR(
                _COLUMN % (starts.ctypes.data, len(starts), b"<u8"),
                _COLUMN % (columns.ctypes.data, len(columns), b"<i4"),
                _COLUMN % (values.ctypes.data, values.size, b"<f4"),
                ctypes.c_uint64(self.width),
                self._making,
                ctypes.byref(matrix),
            )
        )
        return self._of_matrix(matrix, "value")

    def _of_matrix(self, matrix: ctypes.c_void_p, output: Output) -> npt.NDArray[np.float32]:
        """What is said of a matrix, which is freed."""
        try:
            lengths, count, found = _LENGTHS(), ctypes.c_uint64(), _FLOATS()
            self._check(
                self._call.XGBoosterPredictFromDMatrix(
                    self._handle,
                    matrix,
                    _SETTINGS[output],
                    ctypes.byref(lengths),
                    ctypes.byref(count),
                    ctypes.byref(found),
                )
            )
            return _copied(lengths, count, found)
        finally:
            self._call.XGDMatrixFree(matrix)

    def dense(self, rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Rows as the library reads them; whoever calls holds them until it has."""
        if rows.ndim != 2 or rows.shape[1] != self.width:
            found = f"{rows.shape[1]}" if rows.ndim == 2 else f"an array of shape {rows.shape}"
            raise XGBoostFault(f"the model takes {self.width} features, and got {found}")
        return np.ascontiguousarray(rows, np.float32)

    def _check(self, status: int) -> None:
        if status:
            said = self._call.XGBGetLastError().decode(errors="replace")
            raise XGBoostFault(f"XGBoost refuses it: {said[:_SHOWN]}")


def version() -> str:
    """The package's version. Raises `ModuleNotFoundError` where it is not installed."""
    return (_package() / "VERSION").read_text().strip()


def loaded() -> bool:
    """Whether this process has loaded the library, through here or through the package."""
    return bool(_library.cache_info().currsize) or "xgboost" in sys.modules


@cache
def _library() -> Any:
    package = _package()
    file = package / "lib" / _FILE
    if not file.exists():  # conda keeps it apart
        file = Path(sys.base_prefix, "lib", _FILE)
    try:
        found = ctypes.CDLL(str(file))
    except OSError as e:
        raise EnvironmentFault(
            f"XGBoost's library cannot be loaded: {e}",
            hint="install xgboost again; on macOS it needs OpenMP: brew install libomp",
        ) from e
    found.XGBGetLastError.restype = ctypes.c_char_p
    return found


@cache
def _package() -> Path:
    spec = find_spec("xgboost")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("No module named 'xgboost'", name="xgboost")
    return Path(spec.origin).parent


def _copied(lengths: Any, count: ctypes.c_uint64, found: Any) -> npt.NDArray[np.float32]:
    """The numbers are the library's, until this thread's next call."""
    shape = lengths[: count.value]
    size = 1
    for length in shape:
        size *= length
    return np.frombuffer(ctypes.string_at(found, 4 * size), np.float32).reshape(shape)
