"""What is decided on rows that the model had not seen: calibrator, threshold, interval."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.calibration import Interval
from mlops_cli.bundling.fit import fitted_of
from mlops_cli.bundling.work import Work
from mlops_cli.config.model import Config
from mlops_cli.errors import DataError
from mlops_cli.evaluation.threshold import Costs, least_cost
from mlops_cli.training import open_estimator
from mlops_cli.training.answering import Decided
from mlops_cli.training.base import Fitted
from mlops_cli.training.calibrators import fit_calibrator
from mlops_cli.training.conformal import quantile_width, residual_width
from mlops_cli.tuning.oof import OOF, OutOfFold, read_oof

Array = NDArray[np.float64]


def decide(root: Path, config: Config, work: Work) -> Decided:
    """What the configuration asks for, of the project in the folder `root`.

    Raises `DataError` where the unseen predictions cannot be read, are of other rows than the
    table's, or are too few.
    """
    train = config.train
    if not train.needs_unseen:
        return Decided()
    target, predictions = _unseen(work, read_oof(root))
    if config.task == "regression":
        return _with_interval(config, work, target, predictions)
    calibrator = fit_calibrator(train.calibrate, target, predictions) if train.calibrate else None
    decided = Decided(rows=len(target), calibrator=calibrator)
    if train.costs is None:
        return decided
    costs = Costs(train.costs.false_positive, train.costs.false_negative)
    chosen = least_cost(target, decided.points(predictions), costs)
    return replace(
        decided, chosen=chosen, costs=(train.costs.false_positive, train.costs.false_negative)
    )


def decided_again(work: Work, decided: Decided) -> Decided:
    """The same decisions of a model that is fitted on other rows: the quantiles' are, too."""
    if decided.interval is None or decided.interval.quantiles is None:
        return decided
    ends = _ends(work, decided.interval.quantiles, work.events.split.fitted)
    return replace(decided, ends=ends)


def _unseen(work: Work, found: OutOfFold) -> tuple[Array, Array]:
    """Target and unseen prediction of each row that has one; of several the mean."""
    rows, place = np.unique(found.rows, return_inverse=True)
    order = np.argsort(work.events.numbers)
    at = np.searchsorted(work.events.numbers, rows, sorter=order)
    known = order[np.minimum(at, len(order) - 1)]
    if not len(rows) or (work.events.numbers[known] != rows).any():
        raise DataError(f"{OOF}: it is of rows that the table does not have", hint="mlops tune")
    counts = np.bincount(place)
    columns = found.predictions.reshape(len(place), -1).T
    means = np.stack([np.bincount(place, column) / counts for column in columns], axis=1)
    return work.events.target[known], means.reshape(len(rows), *found.predictions.shape[1:])


def _with_interval(config: Config, work: Work, target: Array, predictions: Array) -> Decided:
    level, quantiles = config.train.level, config.train.quantiles
    if level is None:
        return Decided()
    if quantiles is None:
        width = residual_width(target, predictions, level)
        return Decided(len(target), interval=Interval(width, len(target)), level=level)
    split = work.events.split
    judged = work.events.part(work.problem.features, split.validation)
    low, high = (end.predict(judged.matrix) for end in _ends(work, quantiles, split.train))
    interval = Interval(
        quantile_width(judged.target, low, high, level), len(judged.target), quantiles
    )
    ends = _ends(work, quantiles, split.fitted)
    return Decided(len(judged.target), interval=interval, level=level, ends=ends)


def _ends(
    work: Work, quantiles: tuple[float, float], rows: NDArray[np.int64]
) -> tuple[Fitted, Fitted]:
    """The models of the two quantiles, with what was found for the mean, fitted on `rows`."""
    part = work.events.part(work.problem.features, rows)
    low, high = (
        fitted_of(open_estimator("xgboost", replace(work.problem, quantile=q)), part, work.best)
        for q in quantiles
    )
    return low, high
