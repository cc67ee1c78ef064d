"""How far apart low and high must be, by rows that the model had not seen."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from mlops_cli.errors import DataError

Array = NDArray[np.float64]


def residual_width(target: Array, predictions: Array, level: float) -> float:
    """The half width of an interval around a value, of arrays of shape (n,) (split conformal).

    Of rows of the same kind it covers at least a share of `level` (Vovk et al. 2005; Lei et al.
    2018). Raises `DataError` where `level` asks for more rows than there are.
    """
    return _quantile(np.abs(target - predictions), level)


def quantile_width(target: Array, low: Array, high: Array, level: float) -> float:
    """What is added on both sides of two quantiles' predictions, in their order (Romano et al.
    2019, Conformalized Quantile Regression); below 0 where they lie too far apart.

    Raises what `residual_width` raises.
    """
    below, above = np.minimum(low, high), np.maximum(low, high)
    return _quantile(np.maximum(below - target, target - above), level)


def fewest(level: float) -> int:
    """The rows that an interval of this level needs."""
    asked = Fraction(repr(level))  # as it was written: 0.9 is 9/10
    return math.ceil(asked / (1 - asked))


def _quantile(scores: Array, level: float) -> float:
    """The ceil((n + 1) level)-th smallest."""
    n = len(scores)
    rank = math.ceil((n + 1) * Fraction(repr(level)))
    if rank > n:
        raise DataError(
            f"an interval that covers {level:.4g} needs {fewest(level)} rows that the model had "
            f"not seen, and there are {n}",
            hint="give split.validation a larger share, or ask for less in train.interval",
        )
    return float(np.partition(scores, rank - 1)[rank - 1])
