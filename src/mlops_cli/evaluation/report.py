"""The whole evaluation of a model on the hold-out: the content of `reports/evaluation.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from mlops_cli.bundle.manifest import Task
from mlops_cli.config.paths import EVALUATION
from mlops_cli.errors import DataError
from mlops_cli.evaluation.constant import Baseline
from mlops_cli.evaluation.curves import Confusion, Curves
from mlops_cli.evaluation.explained import Explanations
from mlops_cli.evaluation.fairness import Fairness
from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.evaluation.reliability import Reliability
from mlops_cli.evaluation.residuals import Residuals
from mlops_cli.evaluation.selection import Selection
from mlops_cli.evaluation.slices import Slice
from mlops_cli.evaluation.weak_spots import WeakSpots


class Estimated(msgspec.Struct, frozen=True):
    """A metric on the hold-out with its 95 % interval, and how that was made."""

    value: float
    low: float
    high: float
    method: str


class Threshold(msgspec.Struct, frozen=True):
    """The probability from which on a row is positive, and what the labels of the hold-out cost.

    `cost` is that of a row on average; a false positive costs `false_positive`.
    """

    value: float
    cost: float
    false_positive: float
    false_negative: float


class Report(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a model's worth; `version` is the digest of its bundle.

    `rows` are those of the hold-out, `fitted` those that it was fitted on; `positive` is the class
    that a binary task's probability is of. What the task has not is left out: fairness is of two
    classes, of other tasks the groups of the `sensitive` columns are slices. `served` is the digest
    of the model that was fitted again on all rows and answers in its place. `selection` tells which
    features it was given, where `train.select` asks.
    """

    version: str
    task: Task
    metric: str
    target: str
    rows: int
    fitted: int
    metrics: Mapping[str, Estimated]
    baseline: Baseline
    positive: str | None = None
    threshold: Threshold | None = None
    calibration: Reliability | None = None
    confusion: Confusion | None = None
    curves: Curves | None = None
    residuals: Residuals | None = None
    fairness: Mapping[str, Fairness] = {}
    slices: Sequence[Slice] = ()
    weak_spots: WeakSpots | None = None
    explanations: Explanations | None = None
    sensitive: Sequence[str] = ()
    served: str | None = None
    selection: Selection | None = None


def estimated(judged: Judged) -> dict[str, Estimated]:
    """Every metric that is defined on the rows, the main one first."""
    task, main = judged.question.task, judged.question.metric
    threshold = judged.threshold
    values = metrics_of(task, judged.target, judged.predictions, threshold)
    names = sorted(values, key=lambda name: name != main)
    found = {}
    for name in names:
        ends = interval(task, name, judged.target, judged.predictions, threshold=threshold)
        if math.isfinite(ends.low) and math.isfinite(ends.high):
            found[name] = Estimated(values[name], float(ends.low), float(ends.high), ends.method)
    return found


def threshold_of(judged: Judged) -> Threshold:
    """See `Threshold`; of a binary task."""
    true, found = judged.target == 1, judged.labels == 1
    wrong = (int((found & ~true).sum()), int((~found & true).sum()))
    cost = sum(n * each for n, each in zip(wrong, judged.costs, strict=True)) / len(true)
    return Threshold(judged.threshold, cost, *judged.costs)


def by_slices(report: Report) -> str:
    """What stands in the place of fairness where the task is not of two classes."""
    return (
        f"Selection rates and the four-fifths rule are of two classes, and this is a "
        f"{report.task}: how well it predicts the groups of {', '.join(report.sensitive)} stands "
        "among the slices."
    )


def read_report(root: Path) -> Report:
    """The evaluation below `root`; raises `DataError` where there is none that can be read."""
    try:
        return msgspec.json.decode((root / EVALUATION).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError) as e:
        raise DataError(f"{EVALUATION}: {str(e)[:200]}", hint="mlops train") from e
