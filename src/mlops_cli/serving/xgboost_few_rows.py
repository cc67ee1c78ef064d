"""A few rows by XGBoost, without what its releases since 3.1 do at every other call.

They walk through every node of every tree first, to choose a layout that is of use to many rows: of
a model with 100,000 nodes that takes ten times as long as to predict a row. Rows of a sparse matrix
are predicted without that walk (docs/decisions has the figures: 016).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mlops_cli.serving.xgboost_library import Booster, XGBoostFault

MOST = 64  # rows
LARGEST = 64 * 1024 * 1024  # bytes of a model that is held twice for it
_SIZES = (1, 8, 24, MOST)  # rows for which the two ways are timed
_TIMES = 3
_ROUNDS = 5  # of as many calls, before it is said to be no sooner: the machine may be busy
_SPARSE = 8  # a matrix is sparse to XGBoost if not more than one of so many values is there

Rows = npt.NDArray[np.float32]


class FewRows:
    """The same model with more features than its trees ask for, so that every row is sparse.

    `most` is how many rows are predicted sooner so than by `booster`, 0 for none. The numbers are
    those of `booster`, to the bit, which is tried before.
    """

    def __init__(self, content: bytes, threads: int, booster: Booster) -> None:
        width = booster.width
        self._booster = Booster(content, threads, _SPARSE * (width + 1))
        self._columns = np.tile(np.arange(width, dtype=np.int32), MOST)
        self._starts = np.arange(0, (MOST + 1) * width, width, dtype=np.uint64)
        self._whole = booster
        self._width = width
        self.most = self._sooner(booster)

    def predict(self, rows: Rows) -> Rows:
        """As `Booster.predict`, of 1 to `MOST` rows of finite numbers and NaN."""
        rows, n = self._whole.dense(rows), len(rows)
        columns = self._columns[: n * self._width]
        return self._booster.predict_sparse(rows, self._starts[: n + 1], columns)

    def _sooner(self, booster: Booster) -> int:
        drawn = np.random.default_rng(0).normal(size=(MOST, self._width)).astype(np.float32)
        drawn[::3, ::2] = np.nan
        most = 0
        for n in _SIZES:
            rows = drawn[:n]
            if self.predict(rows).tobytes() != booster.predict(rows).tobytes():
                return 0
            if not _is_sooner(self.predict, booster.predict, rows):
                break
            most = n
        return most


def open_few_rows(
    content: bytes, threads: int, booster: Booster, *, largest: int = LARGEST
) -> FewRows | None:
    """The way for a few rows, where it is sooner, of a model of at most `largest` bytes."""
    if len(content) > largest:
        return None
    try:
        few = FewRows(content, threads, booster)
    except XGBoostFault:  # a model that predicts dense rows alone
        return None
    return few if few.most else None


def _is_sooner(one: Callable[[Rows], Rows], other: Callable[[Rows], Rows], rows: Rows) -> bool:
    taken, others = math.inf, math.inf
    for _ in range(_ROUNDS):
        taken, others = min(taken, _least(one, rows)), min(others, _least(other, rows))
        if taken < others:
            return True
    return False


def _least(predict: Callable[[Rows], Rows], rows: Rows) -> float:
    """The shortest of some calls, in seconds."""
    taken = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        predict(rows)
        taken.append(time.perf_counter() - started)
    return min(taken)
