"""From a fitted model's predictions of the hold-out to the whole evaluation of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import class_key
from mlops_cli.bundle.plan import ID
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.model import Config
from mlops_cli.evaluation.constant import baseline_of
from mlops_cli.evaluation.curves import confusion_of, curves_of
from mlops_cli.evaluation.fairness import fairness_of
from mlops_cli.evaluation.groups import Groups, groups_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.reliability import Reliability, reliability_of
from mlops_cli.evaluation.report import Report, estimated, threshold_of
from mlops_cli.evaluation.residuals import residuals_of
from mlops_cli.evaluation.slices import slices_of
from mlops_cli.evaluation.weak_spots import weak_spots
from mlops_cli.reports.evaluation.explaining import explanations_of
from mlops_cli.tables.base import ROW
from mlops_cli.tables.groups import codes_of
from mlops_cli.training.data import Events
from mlops_cli.tuning.base import Best


@dataclass(frozen=True, slots=True)
class HoldOut:
    """The hold-out: its rows as the model's matrix (n, f), predictions, and named parts of it.

    `best` says what the model was made of; without it nothing of that is told.
    """

    events: Events
    matrix: NDArray[np.float32]
    judged: Judged
    slices: Mapping[str, NDArray[np.bool_]]
    best: Best | None = None


def report_of(config: Config, of: HoldOut, bundle: Bundle) -> Report:
    """The evaluation of a bundle on the hold-out."""
    task, plan, judged = config.task, of.events.plan, of.judged
    classes = task != "regression"
    binary, sensitive = task == "binary", _sensitive(config, of)
    fitted = of.events.split.fitted
    return Report(
        version=bundle.digest,
        task=task,
        metric=config.metric,
        target=plan.target.name,
        rows=len(judged.target),
        fitted=len(fitted),
        metrics=estimated(judged),
        baseline=baseline_of(judged, of.events.target[fitted]),
        positive=class_key(plan.classes[1]) if binary and plan.classes else None,
        threshold=threshold_of(judged) if binary else None,
        calibration=_reliability(config, judged) if classes else None,
        confusion=confusion_of(judged) if classes else None,
        curves=curves_of(judged) if binary else None,
        residuals=None if classes else residuals_of(judged),
        fairness=fairness_of(judged, sensitive) if binary else {},
        sensitive=() if binary else tuple(sensitive),
        slices=slices_of(judged, {**of.slices, **({} if binary else _masks(sensitive))}),
        weak_spots=weak_spots(judged, of.matrix, bundle.manifest.features, _subjects(config, of)),
        explanations=explanations_of(
            bundle,
            of.matrix,
            of.best.members if of.best else (),
            asked=config.evaluate.explain,
        ),
        selection=of.best.selection if of.best else None,
    )


def _reliability(config: Config, judged: Judged) -> Reliability:
    return msgspec.structs.replace(reliability_of(judged), method=config.train.calibrate)


def _sensitive(config: Config, of: HoldOut) -> dict[str, Groups]:
    """The groups of each column of `data.sensitive`, be it an input or not."""
    columns = {name: of.events.plan.kept_as(name) for name in config.data.sensitive}
    if not columns:
        return {}
    table = of.events.rows(of.events.split.holdout, list(columns.values()))
    return {name: groups_of(table[c]) for name, c in columns.items()}


def _masks(columns: Mapping[str, Groups]) -> dict[str, NDArray[np.bool_]]:
    return {
        f"{name} = {value}": groups.codes == i
        for name, groups in columns.items()
        for i, value in enumerate(groups.names)
    }


def _subjects(config: Config, of: HoldOut) -> NDArray[np.int64] | None:
    names = [ID + name for name in config.data.id.subject]
    if not names:
        return None
    return codes_of(of.events.rows(of.events.split.holdout, [ROW, *names]), names)
