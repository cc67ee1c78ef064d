"""The gate that compares with the champion, on hold-out rows that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from mlops_cli.bundle.manifest import Manifest, short
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import FeaturesConfig
from mlops_cli.config.sections.register import ChampionGate
from mlops_cli.cores import cores
from mlops_cli.errors import BundleError, DataError, UsageError
from mlops_cli.evaluation.holdout import scores_of, take_rows
from mlops_cli.evaluation.metrics import metric_of
from mlops_cli.evaluation.paired import Comparison, Rows, compare
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import raw_table_sql
from mlops_cli.governance.candidate import RECIPE, provenance
from mlops_cli.governance.decision import GateResult, Verdict
from mlops_cli.governance.gates.base import Case
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.tables import open_engine
from mlops_cli.tables.matrix import encode
from mlops_cli.tracking.base import ModelVersion
from mlops_cli.training.data import Events, read_events
from mlops_cli.training.fitted_rows import FittedRows, unseen

NOT_WORSE = "champion: not_worse"
_UNFAIR = "worse, but the table's older rows have changed, and it may have learned some of these"


@dataclass(frozen=True, slots=True)
class NotWorse:
    """`{champion: not_worse}`: no worse than the champion by more than chance explains."""

    asked: ChampionGate

    def evaluate(self, case: Case) -> GateResult:
        """See `Gate.evaluate`."""
        if case.champion is None or case.first:
            return no_champion_yet(asked=case.first)
        if case.champion.digest == case.candidate.digest:
            return is_the_champion(case.champion.digest)
        return _against(case, case.champion)


def open_gate(asked: ChampionGate) -> NotWorse:
    """The gate that the configuration asks for."""
    return NotWorse(asked)


def no_champion_yet(*, asked: bool) -> GateResult:
    """The verdict where there is no champion to compare with, or none was wanted."""
    why = "comparing with a champion was not wanted (--first)" if asked else "no champion yet"
    return GateResult(NOT_WORSE, "passed", why)


def is_the_champion(digest: str) -> GateResult:
    """The verdict on the champion's own digest."""
    return GateResult(NOT_WORSE, "passed", f"{short(digest)} is the champion")


def cannot_compare(champion: str, reason: str) -> GateResult:
    """The verdict where the champion (its digest) cannot be scored on these rows."""
    why = f"the champion {short(champion)} cannot be scored on these hold-out rows: {reason}"
    return GateResult(NOT_WORSE, "undecided", why)


def verdict_of(
    comparison: Comparison, *, metric: str, champion: str, rows: int, fair: bool
) -> GateResult:
    """Refuse a model that is worse than the champion by more than chance explains.

    Where the champion may have been fitted on some of the rows (not `fair`), that flatters it:
    not worse is still not worse, and worse decides nothing.
    `docs/decisions/` says why it is a paired test, and what was weighed against it.
    """
    value, bound = comparison.candidate, comparison.champion
    if not comparison.decidable:
        why = f"{metric} cannot be computed on the {rows} rows of the hold-out"
        return GateResult(NOT_WORSE, "undecided", why, metric)
    worse: Verdict = "refused" if fair else "undecided"
    verdict: Verdict = "passed" if comparison.not_worse else worse
    if comparison.difference >= 0:
        told = "not worse"
    elif comparison.not_worse:
        told = "lower in worth, but chance may explain it"
    else:
        told = "worse, by more than chance explains" if fair else _UNFAIR
    why = (
        f"{metric} is {value:.6g}, and the champion {short(champion)} has {bound:.6g} on the same "
        f"{rows} rows: {told} (difference {comparison.difference:+.2g}, with 95 % confidence at "
        f"most {comparison.upper:+.2g})"
    )
    return GateResult(NOT_WORSE, verdict, why, metric, value, bound)


def _against(case: Case, champion: ModelVersion) -> GateResult:
    """Both bundles predict the same hold-out rows, which neither has seen."""
    project, candidate = case.project, case.candidate
    incumbent = open_bundle(case.tracker.fetch(champion.digest))
    if reason := _incompatibility(candidate.manifest, incumbent.manifest):
        return cannot_compare(champion.digest, reason)
    events = read_events(project.root, project.config)
    known = _unseen(project, events, incumbent)
    rows = events.split.holdout if known is None else known
    if not len(rows):
        return cannot_compare(champion.digest, "it was fitted on every one of them")
    try:
        theirs = _predict(incumbent, _champion_table(project, events, rows, incumbent, champion))
    except (BundleError, DataError, UsageError) as e:
        return cannot_compare(champion.digest, e.message)
    ours = _predict(candidate, events.rows(rows))
    return verdict_of(
        _compare(project, events, rows, (ours, theirs)),
        metric=project.config.metric,
        champion=champion.digest,
        rows=len(rows),
        fair=known is not None,
    )


def _unseen(project: Project, events: Events, champion: Bundle) -> Rows | None:
    """The hold-out rows that the champion was not fitted on; None where that cannot be known.

    By time, the hold-out is what came last: a champion from before has not seen it, even where the
    table's older rows were thinned out since.
    """
    try:
        known = msgspec.convert(provenance(champion).get("fitted"), FittedRows)
    except msgspec.ValidationError:  # a release that did not write it
        known = None
    rows = unseen(events, known) if known else None
    by_time = project.config.split_by == "time" and (known is None or known.by == "time")
    return events.split.holdout if rows is None and by_time else rows


def _incompatibility(ours: Manifest, theirs: Manifest) -> str | None:
    if ours.task != theirs.task or ours.target != theirs.target:
        target = theirs.target.expression or theirs.target.name
        return f"it predicts another target ({theirs.task}: {target})"
    return None if ours.classes == theirs.classes else "it knows other classes"


def _champion_table(
    project: Project, events: Events, rows: Rows, champion: Bundle, version: ModelVersion
) -> Any:
    """The champion's features on hold-out rows, as its own configuration made them.

    It may have used columns, expressions and joins that this project's configuration no longer
    has: those are made again from the tables. Raises `MlopsError` where that cannot be done.
    """
    features = _features_of(version) or project.config.features
    same = features == project.config.features
    if same and champion.trees().features == events.plan.trees:
        return events.rows(rows)
    config = project.config.model_copy(update={"features": features})
    earlier = replace(project, config=config)
    with open_engine(temporary=project.temporary) as engine:
        table = project.root / config.data.table
        schemas = load_schemas(earlier)
        sql = raw_table_sql(engine, earlier, schemas, champion, table)
        return take_rows(engine.batches(sql), events.numbers[rows])


def _features_of(version: ModelVersion) -> FeaturesConfig | None:
    recipe = version.tags.get(RECIPE)
    try:
        return FeaturesConfig.model_validate_json(recipe) if recipe else None
    except ValueError:  # a release whose section had another form
        return None


def _predict(bundle: Bundle, table: Any) -> Any:
    return open_predictor(bundle, cores()).numbers(encode(table, bundle.manifest.features))


def _compare(project: Project, events: Events, rows: Rows, pair: tuple[Any, Any]) -> Comparison:
    config = project.config
    metric = metric_of(config.task, config.metric)
    classes = len(events.plan.classes or ()) if metric.needs_every_class else 0
    target = events.target[rows]
    return compare(
        scores_of(metric.value, target, pair, classes=classes),
        len(target),
        higher_is_better=metric.greater_is_better,
        in_time=config.split_by == "time",
    )
