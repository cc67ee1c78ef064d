"""A fitted model with what stands between its number and the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_cli._json import canonical_json
from mlops_cli.bundle.calibration import Calibration, Calibrator, Interval
from mlops_cli.bundle.manifest import CALIBRATION, HIGH, LOW, THRESHOLD
from mlops_cli.evaluation.threshold import Threshold
from mlops_cli.serving.calibration import calibrated, with_interval
from mlops_cli.training.base import Fitted

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Decided:
    """What was decided on rows that the model had not seen; nothing where nothing is configured.

    `method` is the calibrator's, `rows` are those rows. `chosen` is the threshold of least cost and
    what it costs a row on them, by `costs` of a false positive and of a false negative. `level` is
    how often the target is to lie between low and high; `ends` are the models of the two quantiles,
    if the interval is of these.
    """

    rows: int = 0
    calibrator: Calibrator | None = None
    chosen: Threshold | None = None
    costs: tuple[float, float] = (1.0, 1.0)
    interval: Interval | None = None
    level: float | None = None
    ends: tuple[Fitted, Fitted] | None = None

    @property
    def method(self) -> str | None:
        """The calibrator's name in `train.calibrate`."""
        return type(self.calibrator).__name__.lower() if self.calibrator is not None else None

    @property
    def threshold(self) -> float:
        """The probability from which on a row is of the positive class."""
        return THRESHOLD if self.chosen is None else self.chosen.value

    def points(self, raw: Array) -> Array:
        """What the model predicts, shape (n,) or (n, k), as it is answered."""
        return raw if self.calibrator is None else calibrated(self.calibrator, raw)

    def files(self) -> dict[str, bytes]:
        """What of it the bundle holds, by name."""
        if self.calibrator is None and self.interval is None:
            return {}
        found = Calibration(calibrator=self.calibrator, interval=self.interval)
        ends = zip((LOW, HIGH), self.ends or (), strict=False)
        return {CALIBRATION: canonical_json(found)} | {name: end.content() for name, end in ends}


@dataclass(frozen=True, slots=True)
class Answering:
    """`Fitted`, whose predictions are those that the service answers."""

    fitted: Fitted
    decided: Decided

    def predict(self, matrix: NDArray[np.float32]) -> Array:
        """See `Fitted.predict`; of a regression without the ends of its interval."""
        return self.decided.points(self.fitted.predict(matrix))

    def answers(self, matrix: NDArray[np.float32]) -> Array:
        """See `Predictor.numbers`: with an interval shape (n, 3)."""
        found = self.predict(matrix)
        interval, ends = self.decided.interval, self.decided.ends
        if interval is None:
            return found
        said = None if ends is None else (ends[0].predict(matrix), ends[1].predict(matrix))
        return with_interval(found, interval.width, said)

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`."""
        return self.fitted.importance()

    def content(self) -> bytes:
        """See `Fitted.content`."""
        return self.fitted.content()
