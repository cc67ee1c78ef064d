"""How often a regression's target lies between low and high."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.intervals import share

Array = NDArray[np.float64]


def coverage_of(target: Array, ends: Array) -> dict[str, float]:
    """The share that is covered with its 95 % interval, and how wide the interval is on average.

    Of arrays of shape (n,) and (n, 2), n > 0. Rows of another time may be covered less often than
    those that the interval was made of: it is measured, not promised.
    """
    low, high = ends.T
    inside = (low <= target) & (target <= high)
    between = share(inside)
    return {
        "coverage": float(np.mean(inside)),
        "coverage_low": between.low,
        "coverage_high": between.high,
        "interval_width": float(np.mean(high - low)),
    }
