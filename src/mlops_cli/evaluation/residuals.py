"""How far a regression's values are off: by tenth of the predictions, and as a distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import stdtrit

from mlops_cli.evaluation.judged import Judged

TENTHS = 10
CELLS = 32  # on a side of the picture of predictions and targets
BARS = 30
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


class Tenth(msgspec.Struct, frozen=True):
    """A tenth of the rows by their prediction: how much the targets lie above it on average."""

    rows: int
    predicted: float
    residual: float
    low: float
    high: float


class Residuals(msgspec.Struct, frozen=True):
    """Target less prediction.

    `quantiles` are at 5, 25, 50, 75 and 95 %; `bars` count residuals between `edges`; `cells`
    count rows by their prediction (across) and their target (up) on a grid whose sides both go
    from `low` to `high`, what lies beyond in the outer ones.
    """

    quantiles: Sequence[float]
    edges: Sequence[float]
    bars: Sequence[int]
    tenths: Sequence[Tenth]
    low: float
    high: float
    cells: Sequence[Sequence[int]]


def residuals_of(judged: Judged) -> Residuals:
    """See `Residuals`; of a regression."""
    y, p = judged.target, judged.predictions
    off = y - p
    low, high = _ends(np.concatenate([y, p]))
    left, right = _ends(off)
    edges = np.linspace(left, right, BARS + 1)
    sides = [np.clip(((v - low) / (high - low) * CELLS).astype(int), 0, CELLS - 1) for v in (p, y)]
    cells = np.bincount(sides[1] * CELLS + sides[0], minlength=CELLS * CELLS)
    parts = np.array_split(np.argsort(p, kind="stable"), TENTHS)
    return Residuals(
        quantiles=[float(q) for q in np.quantile(off, _LEVELS)],
        edges=[float(f"{edge:.6g}") for edge in edges],
        bars=np.histogram(np.clip(off, left, right), edges)[0].tolist(),
        tenths=[_tenth(p[rows], off[rows]) for rows in parts if len(rows)],
        low=low,
        high=high,
        cells=cells.reshape(CELLS, CELLS).tolist(),
    )


def _tenth(p: np.ndarray, off: np.ndarray) -> Tenth:
    n, mean = len(p), float(off.mean())
    error = float(off.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    half = float(stdtrit(max(1, n - 1), 0.975)) * error
    return Tenth(n, float(p.mean()), mean, mean - half, mean + half)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Where all but the outermost half a percent of either side lie; never equal."""
    low, high = (float(q) for q in np.quantile(values, (0.005, 0.995)))
    room = (high - low) * 0.02 or abs(high) * 0.05 or 1.0
    return low - room, high + room
