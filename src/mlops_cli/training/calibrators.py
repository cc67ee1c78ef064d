"""Fitting a calibrator on predictions of rows that the model had not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.calibration import Calibrator, Isotonic, Sigmoid, Temperature
from mlops_cli.errors import DataError
from mlops_cli.serving.calibration import SURE, log_odds

Array = NDArray[np.float64]
Method = Literal["isotonic", "sigmoid", "temperature"]
FEWEST = 10  # rows that a calibrator is fitted on
_FLAT = 1e-3  # of a slope: numbers that say nothing still keep their order
_STEEP = 1e3
_STEPS, _SMALL = 100, 1e-9  # of Newton's method
_TIE = 1e-3  # of what lies beyond the table's ends: so far rows there differ, to keep their order


def fit_calibrator(method: Method, target: Array, predictions: Array) -> Calibrator:
    """The calibrator of `predictions`, shape (n,) or (n, k), by the classes' indices, shape (n,).

    Raises `DataError` for fewer than `FEWEST` rows, and where a class has none.
    """
    classes = 2 if predictions.ndim == 1 else predictions.shape[1]
    counts = np.bincount(target.astype(np.int64), minlength=classes)
    if len(target) < FEWEST or (counts == 0).any():
        said = ", ".join(f"{n} of class {k}" for k, n in enumerate(counts.tolist()[:6]))
        raise DataError(
            f"train.calibrate: {method} has {len(target)} rows to be fitted on ({said}): it needs "
            f"at least {FEWEST}, and one of every class",
            hint="give split.validation a larger share, or set train.calibrate: null",
        )
    match method:
        case "isotonic":
            return _isotonic(target, predictions)
        case "sigmoid":
            return _sigmoid(target, log_odds(predictions))
        case "temperature":
            return Temperature(_temperature(target, predictions))
        case _:
            assert_never(method)


def _isotonic(target: Array, chances: Array) -> Isotonic:
    """Centred isotonic regression (Oron and Flournoy 2017): lines between the blocks' centres.

    A step function has ties, which cost ranking; lines have none. Each block's mean has one
    further row at the base rate, so that no answer is exactly 0 or 1 because a few rows agreed.
    """
    base = float(target.mean())
    x, place = np.unique(chances, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    hits = np.bincount(place, target)
    blocks: list[tuple[float, float, float]] = []  # rows, hits, sum of x
    for block in zip(rows.tolist(), hits.tolist(), (rows * x).tolist(), strict=True):
        n, k, total = block
        while blocks and _height(*blocks[-1][:2], base) >= _height(n, k, base):
            before = blocks.pop()
            n, k, total = n + before[0], k + before[1], total + before[2]
        blocks.append((n, k, total))
    centres = np.array([total / n for n, _, total in blocks])
    heights = np.array([_height(n, k, base) for n, k, _ in blocks])
    return _table(centres, heights)


def _height(rows: float, hits: float, base: float) -> float:
    return (hits + base) / (rows + 1)


def _table(centres: Array, heights: Array) -> Isotonic:
    """The points with both ends, all strictly ascending in the numbers that JSON keeps."""
    inner = (centres > 0) & (centres < 1)
    low, high = heights[0] * (1 - _TIE), heights[-1] + (1 - heights[-1]) * _TIE
    x = np.concatenate([[0.0], centres[inner], [1.0]])
    y = np.concatenate([[low], heights[inner], [high]])
    keep = np.concatenate([[True], (np.diff(x) > 0) & (np.diff(y) > 0)])
    return Isotonic(tuple(x[keep].tolist()), tuple(y[keep].tolist()))


def _sigmoid(target: Array, margins: Array) -> Sigmoid:
    """Log odds by a line, with the targets of Platt (1999), which keep it finite.

    A slope that would turn the order around is one that keeps it, and says nothing.
    """
    positives = float(target.sum())
    negatives = len(target) - positives
    wanted = np.where(target == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    line = np.stack([margins, np.ones_like(margins)], axis=1)

    def loss(at: Array) -> float:
        return float(np.mean(np.logaddexp(0.0, at) - wanted * at))

    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        chances = np.exp(-np.logaddexp(0.0, -(line @ found)))
        curvature = (line * (chances * (1 - chances))[:, None]).T @ line
        step = np.linalg.lstsq(curvature, line.T @ (wanted - chances), rcond=None)[0]
        while loss(line @ (found + step)) > loss(line @ found) and np.abs(step).max() > _SMALL:
            step = step / 2  # Newton overshoots where nearly every row is sure
        found = found + step
        if np.abs(step).max() <= _SMALL:
            break
    slope = float(np.clip(found[0], _FLAT, _STEEP))
    if slope == found[0]:
        return Sigmoid(slope, float(found[1]))
    return Sigmoid(slope, _least(lambda b: loss(slope * margins + b), -100.0, 100.0))


def _temperature(target: Array, predictions: Array) -> float:
    """That of the least log loss."""
    of = target.astype(np.int64)
    if predictions.ndim == 1:
        half = log_odds(predictions) / 2
        margins = np.stack([-half, half], axis=1)
    else:
        margins = np.log(np.maximum(predictions, SURE))
    own = margins[np.arange(len(of)), of]

    def loss(slope: float) -> float:
        scaled = margins * slope
        top = scaled.max(axis=1)
        return float(np.mean(np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - own * slope))

    return float(1 / np.exp(_least(lambda s: loss(np.exp(s)), *np.log([_FLAT, _STEEP]))))


def _least(value: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least (golden section): no step can run away."""
    ratio = (5**0.5 - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = value(a), value(b)
    while high - low > 1e-7 * max(1.0, abs(low) + abs(high)):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = value(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = value(b)
    return (low + high) / 2
