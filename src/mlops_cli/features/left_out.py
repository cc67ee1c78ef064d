"""Means of the target that leave the row's own out: they tell it by what is missing in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

EXACT = 0.95  # of the rows
FEWEST = 5  # distinct values, or groups
_NEAR = 1e-6
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Columns = Iterable[tuple[str, Callable[[], Codes]]]


def left_out(values: Floats, target: Floats, *, binary: bool, columns: Columns) -> str | None:
    """What tells that `values` are means of the others of a row's group; None where nothing does.

    Of a group with the sum S over n rows such a mean is (S - y) / (n - 1), with a prior of m rows
    (S - y + m p) / (n - 1 + m): it falls by one straight line as the row's own y rises. `columns`
    may name the group, each with the codes of its values, which are read where they are needed. Of
    two classes it needs no column: each value has rows of one class alone.
    """
    known = np.isfinite(values)
    v, y = values[known], target[known]
    for name, codes in columns:
        if _falls_with_own(v, y, codes()[known]):
            return f"the mean of the target over the other rows of its {name}"
    if binary and _one_class_each(v, y):
        return "the mean of the target over the other rows of some group"
    return None


def _falls_with_own(v: Floats, y: Floats, codes: Codes) -> bool:
    """Whether value and target are on one falling line in each group, for nearly every row."""
    _, codes = np.unique(codes, return_inverse=True)
    counts = np.bincount(codes)
    if not FEWEST <= len(counts) <= len(codes) / 3:
        return False
    dv, dy = (x - (np.bincount(codes, x) / counts)[codes] for x in (v, y))
    across, own, other = (np.bincount(codes, x) for x in (dv * dy, dv * dv, dy * dy))
    scale = np.sqrt(own * other)
    varied = (counts >= 3) & (other > _NEAR * counts) & (own > 0)
    on_a_line = varied & (across <= -(1 - _NEAR) * scale)
    told = counts[varied].sum()
    return bool(told >= len(codes) / 2 and counts[on_a_line].sum() >= EXACT * told)


def _one_class_each(v: Floats, y: Floats) -> bool:
    """Whether nearly every value has rows of one class alone, though it has several of them."""
    _, codes = np.unique(v, return_inverse=True)
    counts = np.bincount(codes)
    if not 2 * FEWEST <= len(counts) <= len(codes) / 3:
        return False
    ones = np.bincount(codes, y == 1)
    pure = (ones == 0) | (ones == counts)
    return bool(counts[pure].sum() >= EXACT * len(codes))
