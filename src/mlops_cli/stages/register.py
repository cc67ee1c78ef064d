"""Hold the trained model to its gates and make it the champion, or say why not."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import PROVENANCE, Manifest
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import Project
from mlops_cli.config.model import FeaturesConfig, MetricGate
from mlops_cli.contracts.model import load_contract
from mlops_cli.cores import cores
from mlops_cli.errors import BundleError, DataError, EnvironmentFault, UsageError
from mlops_cli.features.base import load_schemas
from mlops_cli.governance.champion import lost_champion
from mlops_cli.governance.decision import (
    DECISION,
    Decision,
    GateResult,
    Named,
    write_decision,
)
from mlops_cli.governance.gates import (
    cannot_compare,
    champion_gate,
    first_of_its_line,
    is_the_champion,
    metric_gate,
    refusal,
)
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages import FIRST
from mlops_cli.tables import open_engine
from mlops_cli.tracking import open_tracking

if TYPE_CHECKING:
    from mlops_cli.tracking.base import ModelVersion, Tracker

BUNDLE = "model"
METRICS = "metrics.json"
_TURNS = 5  # comparisons with a champion that another replaced meanwhile, at the most
RECIPE = "features"  # the tag that holds the section by which the version was made


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """The decision: `champion` and `champion_before` are digests; `number` is the registry's."""

    passed: bool
    digest: str
    version: str
    number: str
    champion: str
    champion_before: str | None
    gates: tuple[GateResult, ...]
    decision: str


def register(
    project: Project, *, first: bool = False, progress: Progress = QUIET
) -> RegisterResult:
    """Hold `model/` to `register.gates`; passing makes it a version, and the champion.

    `first`, or MLOPS_FIRST=1 in the environment, does without a champion. Writes `decision.json`,
    then raises `GateError` where a gate refuses and `InconclusiveError` where one cannot decide;
    the registry stays as it was. Raises `EnvironmentFault` where the registry knows no champion
    and the last decision names one. Run again after it was killed at any point, it ends as if it
    had not been.

    Where another became the champion meanwhile, such as from another clone, it decides again, of
    that one; `EnvironmentFault` where that happens every time. MLflow has no compare-and-set: who
    becomes the champion in the milliseconds between the last look and the change is replaced.
    """
    first = first or os.environ.get(FIRST) == "1"
    tracker = open_tracking(project.root, project.config.tracking, project.config.project)
    candidate = _read_candidate(project)
    for _ in range(_TURNS):
        before = tracker.champion()
        if before is None and not first:
            check_champion_is_known(project, tracker)
        decision = _decide(project, candidate, tracker, before=before, first=first)
        if not _still_champion(before, tracker):
            continue
        if not decision.passed:
            write_decision(project.root, decision)
            raise refusal(decision)
        version = _register(project, candidate, tracker)
        write_decision(project.root, decision)
        if _still_champion(before, tracker):
            tracker.make_champion(version)
            progress.say(f"{version.version} is the champion")
            return _registered(version, before, decision)
    raise EnvironmentFault(
        f"another model became the champion at {tracker.address} {_TURNS} times while this one was "
        "compared with the one before",
        hint="run `mlops register` again when nobody else registers",
    )


def _still_champion(before: ModelVersion | None, tracker: Tracker) -> bool:
    now = tracker.champion()
    return (now and now.digest) == (before and before.digest)


def _registered(
    version: ModelVersion, before: ModelVersion | None, decision: Decision
) -> RegisterResult:
    return RegisterResult(
        passed=True,
        digest=version.digest,
        version=version.version,
        number=version.number,
        champion=version.digest,
        champion_before=before.digest if before else None,
        gates=decision.gates,
        decision=DECISION,
    )


def decide(project: Project) -> Decision:
    """What `register` would decide of `model/` now; neither registry nor `decision.json` change.

    Raises what `register` raises before it decides.
    """
    tracker = open_tracking(project.root, project.config.tracking, project.config.project)
    candidate = _read_candidate(project)
    before = tracker.champion()
    if before is None:
        check_champion_is_known(project, tracker)
    return _decide(project, candidate, tracker, before=before, first=False)


@dataclass(frozen=True, slots=True)
class _Candidate:
    bundle: Bundle
    metrics: dict[str, float | None]


def _read_candidate(project: Project) -> _Candidate:
    file = project.root / METRICS
    try:
        holdout = msgspec.json.decode(file.read_bytes())["holdout"]
        metrics = msgspec.convert(holdout, dict[str, float | None], strict=False)
    except (OSError, msgspec.DecodeError, KeyError, TypeError, msgspec.ValidationError) as e:
        raise DataError(f"{METRICS}: {str(e)[:200]}", hint="mlops train") from e
    return _Candidate(open_bundle(project.root / BUNDLE), metrics)


def check_champion_is_known(project: Project, tracker: Tracker) -> None:
    """Raise `EnvironmentFault` where the last decision names a champion; the registry has none."""
    if lost := lost_champion(project.root, tracker.address):
        raise lost


def _register(project: Project, candidate: _Candidate, tracker: Tracker) -> ModelVersion:
    return tracker.register(
        candidate.bundle,
        run_id=_run_id(candidate.bundle),
        metrics={k: v for k, v in candidate.metrics.items() if v is not None},
        tags={
            "metric": project.config.metric,
            RECIPE: project.config.features.model_dump_json(by_alias=True),
        },
    )


def _run_id(bundle: Bundle) -> str | None:
    run_id = _provenance(bundle).get("run_id")
    return run_id if isinstance(run_id, str) else None


def _provenance(bundle: Bundle) -> dict[str, Any]:
    try:
        return msgspec.json.decode((bundle.path / PROVENANCE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}


def _decide(
    project: Project,
    candidate: _Candidate,
    tracker: Tracker,
    *,
    before: ModelVersion | None,
    first: bool,
) -> Decision:
    metric, digest = project.config.metric, candidate.bundle.digest
    gates = project.config.register_.gates
    said, value = [], None
    for gate in gates:
        if isinstance(gate, MetricGate):
            said.append(metric_gate(gate, candidate.metrics))
        elif before is None or first:
            said.append(first_of_its_line(asked=first))
        elif before.digest == digest:
            said.append(is_the_champion(digest))
        else:
            result = _against_champion(project, candidate.bundle, tracker, before)
            said, value = [*said, result], result.bound
    passed = all(g.passed for g in said)
    champion = Named(before.digest, value) if before else None
    named = Named(digest, candidate.metrics.get(metric))
    if before is not None and before.digest == digest:
        champion = named
    return Decision(
        passed=passed,
        digest=digest,
        metric=metric,
        gates=tuple(said),
        champion_before=champion,
        champion=named if passed else champion,
    )


def _against_champion(
    project: Project, candidate: Bundle, tracker: Tracker, champion: ModelVersion
) -> GateResult:
    """The champion gate: both bundles predict the same hold-out rows, which neither has seen."""
    incumbent = open_bundle(tracker.fetch(champion.digest))
    if reason := _another_question(candidate.manifest, incumbent.manifest):
        return cannot_compare(champion.digest, reason)
    events = load_adapter("mlops_cli.training.data").read_events(project.root, project.config)
    unseen = _unseen(project, events, incumbent)
    rows = events.split.holdout if unseen is None else unseen
    if not len(rows):
        return cannot_compare(champion.digest, "it was fitted on every one of them")
    try:
        theirs = _predict(incumbent, _champion_table(project, events, rows, incumbent, champion))
    except (BundleError, DataError, UsageError) as e:
        return cannot_compare(champion.digest, e.message)
    ours = _predict(candidate, events.table.take(rows))
    comparison = _compare(project, events, rows, (ours, theirs))
    return champion_gate(
        comparison,
        metric=project.config.metric,
        champion=champion.digest,
        rows=len(rows),
        fair=unseen is not None,
    )


def _unseen(project: Project, events: Any, champion: Bundle) -> Any:
    """The hold-out rows that the champion was not fitted on; None where that cannot be known.

    By time, the hold-out is what came last: a champion from before has not seen it, even where the
    table's older rows were thinned out since.
    """
    found = load_adapter("mlops_cli.training.fitted_rows")
    try:
        known = msgspec.convert(_provenance(champion).get("fitted"), found.FittedRows)
    except msgspec.ValidationError:  # a release that did not write it
        known = None
    rows = found.unseen(events, known) if known else None
    by_time = project.config.split_by == "time" and (known is None or known.by == "time")
    return events.split.holdout if rows is None and by_time else rows


def _another_question(ours: Manifest, theirs: Manifest) -> str | None:
    if ours.task != theirs.task or ours.target != theirs.target:
        said = theirs.target.expression or theirs.target.name
        return f"it predicts another target ({theirs.task}: {said})"
    return None if ours.classes == theirs.classes else "it knows other classes"


def _champion_table(
    project: Project, events: Any, rows: Any, champion: Bundle, version: ModelVersion
) -> Any:
    """The champion's features on hold-out rows, as its own configuration made them.

    It may have used columns, expressions and joins that this project's configuration no longer
    has: those are made again from the tables. Raises `MlopsError` where that cannot be done.
    """
    features = _features_of(version) or project.config.features
    same = features == project.config.features
    if same and champion.trees().features == events.plan.trees:
        return events.table.take(rows)
    holdout = load_adapter("mlops_cli.evaluation.holdout")
    config = project.config.model_copy(update={"features": features})
    then = replace(project, config=config)
    with open_engine(temporary=project.cache / "tmp") as engine:
        sql = load_adapter("mlops_cli.scoring.raw_table").raw_table_sql(
            engine,
            then,
            load_schemas(then, load_contract),
            champion,
            project.root / config.data.table,
        )
        return holdout.take_rows(engine.batches(sql), holdout.row_numbers(events.table, rows))


def _features_of(version: ModelVersion) -> FeaturesConfig | None:
    said = version.tags.get(RECIPE)
    try:
        return FeaturesConfig.model_validate_json(said) if said else None
    except ValueError:  # a release whose section had another form
        return None


def _predict(bundle: Bundle, table: Any) -> Any:
    matrix = load_adapter("mlops_cli.tables.matrix").encode(table, bundle.manifest.features)
    return load_adapter("mlops_cli.serving.models").load_model(bundle, cores()).predict(matrix)


def _compare(project: Project, events: Any, rows: Any, pair: tuple[Any, Any]) -> Any:
    config, holdout = project.config, load_adapter("mlops_cli.evaluation.holdout")
    metric = load_adapter("mlops_cli.evaluation.metrics").metric_of(config.task, config.metric)
    classes = len(events.plan.classes or ()) if metric.needs_every_class else 0
    target = events.target[rows]
    return load_adapter("mlops_cli.evaluation.paired").compare(
        holdout.scores_of(metric.value, target, pair, classes=classes),
        len(target),
        higher_is_better=metric.greater_is_better,
        in_time=config.split_by == "time",
    )
