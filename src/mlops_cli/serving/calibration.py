"""From a model's number to the answer, where a bundle has a calibrator or an interval.

Training judges by the same functions. Of a bundle without `calibration.json` nothing here is
imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import numpy as np

from mlops_cli.bundle.calibration import (
    Calibration,
    Calibrator,
    Interval,
    Isotonic,
    Sigmoid,
    Temperature,
    read_calibration,
)
from mlops_cli.bundle.manifest import HIGH, LOW
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.models import Matrix, Model, Raw

SURE = 2.0**-25  # float32's nearest to 1 is twice as far from it: surer than this is no number
_LEAST = 1e-12  # of a probability: no answer is exactly 0 or 1


class Calibrated:
    """`Model` behind which a calibrator stands."""

    def __init__(self, model: Model, calibrator: Calibrator) -> None:
        self._model = model
        self._calibrator = calibrator

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""
        return calibrated(self._calibrator, self._model.predict(matrix))


class WithInterval:
    """`Model` of a regression whose rows are value, low and high: shape (n, 3)."""

    def __init__(self, model: Model, interval: Interval, ends: tuple[Model, Model] | None) -> None:
        self._model = model
        self._interval = interval
        self._ends = ends

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""
        values = self._model.predict(matrix)
        ends = self._ends and [end.predict(matrix) for end in self._ends]
        return with_interval(values, self._interval.width, (ends[0], ends[1]) if ends else None)


def open_calibrated(bundle: Bundle, model: Model, load: Callable[[str], Model]) -> Model:
    """The bundle's model with its calibrator or interval; `load` opens a booster by its file.

    Raises `BundleError` where `calibration.json` can be none.
    """
    found: Calibration = read_calibration(bundle)
    if found.calibrator is not None:
        return Calibrated(model, found.calibrator)
    if found.interval is None:
        raise ValueError("a calibration holds neither a calibrator nor an interval")
    ends = None if found.interval.quantiles is None else (load(LOW), load(HIGH))
    return WithInterval(model, found.interval, ends)


def calibrated(calibrator: Calibrator, raw: Raw) -> Raw:
    """Probabilities of shape (n,) or (n, k) as the calibrator gives them, strictly in (0, 1).

    No two rows change places, of several classes no two classes of a row.
    """
    match calibrator:
        case Isotonic(x=x, y=y):
            return _inside(np.interp(raw, x, y))
        case Sigmoid(slope=slope, intercept=intercept):
            return _inside(_chance(slope * log_odds(raw) + intercept))
        case Temperature(temperature=temperature):
            if raw.ndim == 1:
                return _inside(_chance(log_odds(raw) / temperature))
            margins = np.log(np.maximum(raw, SURE)) / temperature
            powers = np.maximum(np.exp(margins - margins.max(axis=1, keepdims=True)), _LEAST)
            return np.asarray(powers / powers.sum(axis=1, keepdims=True))
        case _:
            assert_never(calibrator)


def log_odds(raw: Raw) -> Raw:
    """The log odds of probabilities of shape (n,), of exactly 0 and 1 those of the next number."""
    inside = np.clip(raw, SURE, 1 - SURE)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def with_interval(values: Raw, width: float, ends: tuple[Raw, Raw] | None = None) -> Raw:
    """Value, low and high of shape (n, 3), of values of shape (n,) and, if there are any, of the
    quantiles' predictions; in order, whatever the quantiles' boosters say."""
    low, high = (values, values) if ends is None else (np.minimum(*ends), np.maximum(*ends))
    low, high = low - width, high + width
    return np.stack([values, np.minimum(low, values), np.maximum(high, values)], axis=1)


def _chance(margins: Raw) -> Raw:
    return np.exp(-np.logaddexp(0.0, -margins))


def _inside(chances: Raw) -> Raw:
    return np.clip(chances, _LEAST, 1 - _LEAST)
