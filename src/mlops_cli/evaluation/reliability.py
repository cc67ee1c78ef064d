"""Do probabilities mean what they say: reliability by bins, and the calibration error."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.shares import wilson

BINS = 10
Array = NDArray[np.float64]


class Bin(msgspec.Struct, frozen=True):
    """Rows of about the same probability: its mean, and the share that it came true of."""

    rows: int
    predicted: float
    observed: float
    low: float
    high: float


class Reliability(msgspec.Struct, frozen=True):
    """The expected calibration error (ECE) over ten bins of about as many rows each.

    A perfect model has an `ece` of `noise` on so many rows, by chance alone; `ece_corrected` is
    without what chance adds. `slope` and `intercept` are of log odds: 1 and 0 where they mean what
    they say, below 1 where they are too sure of themselves (Cox 1958; null where there are none).
    `method` is the calibrator that stands behind the model, null without one.
    """

    ece: float
    ece_corrected: float
    noise: float
    slope: float | None
    intercept: float | None
    bins: Sequence[Bin]
    method: str | None = None


def reliability_of(judged: Judged) -> Reliability:
    """Of a binary task P(class 1), of a multiclass one the probability of the chosen class."""
    if judged.predictions.ndim == 1:
        hit, p = judged.target == 1, judged.predictions
    else:
        hit, p = judged.labels == judged.target, judged.predictions.max(axis=1)
    return reliability(np.asarray(hit, np.float64), p)


def reliability(hit: Array, p: Array) -> Reliability:
    """See `Reliability`; `hit` is 1 where what has probability `p` came true, both (n,).

    Equal probabilities share a bin. The correction takes from each bin what scatter adds to the
    size of its gap, by the normal distribution (Kumar, Liang and Ma 2019, Verified Uncertainty
    Calibration, section 4.3, in closed form).
    """
    bins = [_bin(hit[rows], p[rows]) for rows in _places(p)]
    weights = np.array([b.rows for b in bins]) / len(p)
    gaps = np.abs([b.observed - b.predicted for b in bins])
    rates = np.array([(b.observed * b.rows + 1) / (b.rows + 2) for b in bins])
    scatter = np.sqrt(rates * (1 - rates) / [b.rows for b in bins])
    corrected = float(weights @ (2 * gaps - _folded(gaps, scatter)))
    ideal = np.array([b.predicted for b in bins])
    spread = np.sqrt(ideal * (1 - ideal) / [b.rows for b in bins])
    slope, intercept = _line_of_log_odds(hit, p)
    return Reliability(
        ece=float(weights @ gaps),
        ece_corrected=max(0.0, corrected),
        noise=float(weights @ spread) * math.sqrt(2 / math.pi),
        slope=slope,
        intercept=intercept,
        bins=tuple(bins),
    )


def _places(p: Array) -> list[NDArray[np.int64]]:
    order = np.argsort(p, kind="stable")
    ranked = p[order]
    cuts = np.arange(1, BINS) * len(p) // BINS
    cuts = np.unique(np.searchsorted(ranked, ranked[cuts], side="left")) if len(p) else cuts
    return [rows for rows in np.split(order, cuts) if len(rows)]


def _bin(hit: Array, p: Array) -> Bin:
    n = len(p)
    low, high = wilson(float(hit.sum()), n)
    return Bin(n, float(p.mean()), float(hit.mean()), low, high)


def _folded(mean: Array, deviation: Array) -> Array:
    """The expected size of a normal number with this mean (>= 0) and deviation (> 0)."""
    z = mean / deviation
    size = math.sqrt(2 / math.pi) * np.exp(-z * z / 2) + z * (1 - 2 * ndtr(-z))
    return np.asarray(deviation * size)


def _line_of_log_odds(hit: Array, p: Array) -> tuple[float | None, float | None]:
    """Slope and intercept of the logistic regression of what came true on log odds, by Newton."""
    inside = np.clip(p, 1e-7, 1 - 1e-7)
    x = np.log(inside / (1 - inside))
    if np.ptp(x) < 1e-9 or hit.min() == hit.max():
        return None, None
    a, b = 0.0, 1.0
    for _ in range(25):
        q = 1 / (1 + np.exp(-np.clip(a + b * x, -30, 30)))
        w = q * (1 - q)
        g0, g1 = float((hit - q).sum()), float(((hit - q) * x).sum())
        h00, h01, h11 = float(w.sum()), float((w * x).sum()), float((w * x * x).sum())
        determinant = h00 * h11 - h01 * h01
        if not determinant > 1e-12 * max(1.0, h00 * h11):
            return None, None
        step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
        a, b = a + step[0], b + step[1]
        if abs(step[0]) + abs(step[1]) < 1e-9:
            return b, a
    return None, None
