"""A candidate and its opponents on the same hold-out rows, which neither has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import FeaturesConfig
from mlops_cli.cores import cores
from mlops_cli.errors import BundleError, DataError, UsageError
from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.beside import Champion, beside
from mlops_cli.evaluation.holdout import scores_of, take_rows
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.evaluation.paired import Comparison, Rows, compare
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import raw_table_sql
from mlops_cli.governance.candidate import RECIPE
from mlops_cli.governance.gates.base import Case
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tables import open_engine
from mlops_cli.tables.matrix import encode
from mlops_cli.tracking.base import ModelVersion
from mlops_cli.training.data import read_events
from mlops_cli.training.fitted_rows import unseen_by

Role = Literal["champion", "best"]


@dataclass(frozen=True, slots=True)
class Match:
    """The candidate beside an opponent (its digest) on `rows` rows of the hold-out.

    Where the opponent may have been fitted on some of them it is not `fair`.
    """

    role: Role
    digest: str
    comparison: Comparison
    rows: int
    fair: bool = True


@dataclass(frozen=True, slots=True)
class _Opponent:
    """What an opponent predicts of `rows`, and whether it has seen none of them (`fair`)."""

    rows: Rows
    predictions: Any
    threshold: float
    fair: bool


@lru_cache(maxsize=1)
def hold_out_of(case: Case) -> HoldOut:
    """The hold-out of a case, which all who compare on it share."""
    return HoldOut(case)


class HoldOut:
    """The rows of the hold-out; each model predicts them once, whoever it is compared with."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._opponents: dict[str, _Opponent | str] = {}
        self._events = read_events(case.project.root, case.project.config)

    def match(self, version: ModelVersion, role: Role) -> Match | str:
        """The candidate beside the version, or why they cannot be compared.

        Of a model that was fitted again on the hold-out it is the twin that had not seen it.

        Raises `EnvironmentFault` where the registry does not answer.
        """
        met = self._met(version)
        if isinstance(met, str):
            return met
        return Match(role, version.digest, self._compare(met), len(met.rows), met.fair)

    def beside(self, champion: ModelVersion) -> Champion:
        """The candidate beside the champion by every metric, or why they cannot be compared.

        Raises `EnvironmentFault` where the registry does not answer.
        """
        met = self._met(champion)
        if isinstance(met, str):
            return Champion(champion.digest, why=met)
        config, plan = self._case.project.config, self._events.plan
        question = Question(config.task, config.metric, len(plan.classes or ()))
        thresholds = self._case.candidate.manifest.threshold, met.threshold
        pair = self._ours_on(met.rows), met.predictions
        found = beside(question, self._events.target[met.rows], pair, thresholds)
        return Champion(champion.digest, len(met.rows), met.fair, found)

    def _met(self, version: ModelVersion) -> _Opponent | str:
        if version.digest not in self._opponents:
            self._opponents[version.digest] = self._predicted(version)
        return self._opponents[version.digest]

    def _predicted(self, version: ModelVersion) -> _Opponent | str:
        try:
            opponent = open_bundle(self._case.tracker.fetch(version.digest)).twin()
            if reason := _incompatibility(self._case.candidate.manifest, opponent.manifest):
                return reason
            known = unseen_by(opponent, self._events, self._case.project.config)
            rows = self._events.split.holdout if known is None else known
            if not len(rows):
                return "it was fitted on every one of them"
            said = _predict(opponent, self._table(rows, opponent, version))
        except (BundleError, DataError, UsageError) as e:
            return e.message
        return _Opponent(rows, said, opponent.manifest.threshold, known is not None)

    @cached_property
    def _ours(self) -> Any:
        return _predict(self._case.candidate.twin(), self._events.rows(self._events.split.holdout))

    def _table(self, rows: Rows, opponent: Bundle, version: ModelVersion) -> Any:
        """The opponent's features on the rows, as its own configuration made them.

        It may have used columns, expressions and joins that this project's configuration no longer
        has: those are made again from the tables. Raises `MlopsError` where that cannot be done.
        """
        project = self._case.project
        features = _features_of(version) or project.config.features
        same = features == project.config.features
        if same and opponent.trees().features == self._events.plan.trees:
            return self._events.rows(rows)
        return _made_again(project, features, opponent, self._events.numbers[rows])

    def _ours_on(self, rows: Rows) -> Any:
        return self._ours[np.searchsorted(self._events.split.holdout, rows)]

    def _compare(self, met: _Opponent) -> Comparison:
        config, events = self._case.project.config, self._events
        metric = metric_of(config.task, config.metric, self._case.candidate.manifest.threshold)
        value = metric_of(config.task, config.metric, met.threshold).value
        classes = len(events.plan.classes or ()) if metric.needs_every_class else 0
        target, pair = events.target[met.rows], (self._ours_on(met.rows), met.predictions)
        return compare(
            scores_of((metric.value, value), target, pair, classes=classes),
            len(target),
            higher_is_better=metric.greater_is_better,
            in_time=config.split_by == "time",
        )


def _incompatibility(ours: Manifest, theirs: Manifest) -> str | None:
    if ours.task != theirs.task or ours.target != theirs.target:
        target = theirs.target.expression or theirs.target.name
        return f"it predicts another target ({theirs.task}: {target})"
    return None if ours.classes == theirs.classes else "it knows other classes"


def _made_again(project: Project, features: FeaturesConfig, opponent: Bundle, numbers: Rows) -> Any:
    config = project.config.model_copy(update={"features": features})
    earlier = replace(project, config=config)
    with open_engine(temporary=project.temporary) as engine:
        table = project.root / config.data.table
        schemas = load_schemas(earlier)
        sql = raw_table_sql(engine, earlier, schemas, opponent, table)
        return take_rows(engine.batches(sql), numbers)


def _features_of(version: ModelVersion) -> FeaturesConfig | None:
    recipe = version.tags.get(RECIPE)
    try:
        return FeaturesConfig.model_validate_json(recipe) if recipe else None
    except ValueError:  # a release whose section had another form
        return None


def _predict(bundle: Bundle, table: Any) -> Any:
    return open_predictor(bundle, cores()).points(encode(table, bundle.manifest.features))
