"""From a fitted model's predictions of the hold-out to the whole evaluation of it."""

from __future__ import annotations

from mlops_cli.bundle.manifest import class_key
from mlops_cli.bundle.plan import SENSITIVE
from mlops_cli.config.model import Config
from mlops_cli.evaluation.constant import baseline_of
from mlops_cli.evaluation.curves import confusion_of, curves_of
from mlops_cli.evaluation.fairness import Fairness, fairness_of
from mlops_cli.evaluation.groups import groups_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.reliability import reliability_of
from mlops_cli.evaluation.report import Report, estimated, threshold_of
from mlops_cli.evaluation.residuals import residuals_of
from mlops_cli.training.data import Events


def report_of(config: Config, events: Events, judged: Judged, version: str) -> Report:
    """The evaluation of the bundle whose digest is `version`; `judged` are the hold-out's rows."""
    task, plan = config.task, events.plan
    classes = task != "regression"
    binary = task == "binary"
    return Report(
        version=version,
        task=task,
        metric=config.metric,
        target=plan.target.name,
        rows=len(judged.target),
        fitted=len(events.split.fitted),
        metrics=estimated(judged),
        baseline=baseline_of(judged, events.target[events.split.fitted]),
        positive=class_key(plan.classes[1]) if binary and plan.classes else None,
        threshold=threshold_of(judged) if binary else None,
        calibration=reliability_of(judged) if classes else None,
        confusion=confusion_of(judged) if classes else None,
        curves=curves_of(judged) if binary else None,
        residuals=None if classes else residuals_of(judged),
        fairness=_fairness(config, events, judged) if binary else {},
    )


def _fairness(config: Config, events: Events, judged: Judged) -> dict[str, Fairness]:
    inputs = {i.name for i in events.plan.inputs}
    columns = {name: name if name in inputs else SENSITIVE + name for name in config.data.sensitive}
    if not columns:
        return {}
    table = events.rows(events.split.holdout, list(columns.values()))
    return fairness_of(judged, {name: groups_of(table[c]) for name, c in columns.items()})
