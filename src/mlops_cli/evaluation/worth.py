"""What a column is worth beside a model, by rows that the model had not seen."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Array = NDArray[np.float64]
_Z = float(ndtri(0.975))


class Worth(msgspec.Struct, frozen=True):
    """By how much a row's loss is less on average, with its 95 % interval.

    `chance` is how often chance alone gives as much to what is worth nothing.
    """

    value: float
    low: float
    high: float
    chance: float


def worth_of(less: Array) -> Worth:
    """Of what each row's loss is less by, shape (n,), n > 1."""
    mean, error = float(less.mean()), float(less.std(ddof=1)) / math.sqrt(len(less))
    chance = float(ndtr(-mean / error)) if error else float(mean <= 0)
    return Worth(mean, mean - _Z * error, mean + _Z * error, chance)
