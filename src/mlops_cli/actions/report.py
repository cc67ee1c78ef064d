"""The command `report`: what a trained model would change, for the person who lets it through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa

from mlops_cli._git import commit_of, committed, uncommitted
from mlops_cli.bundle.manifest import class_key
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import DVC_LOCK, METRICS_FILE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError, EnvironmentFault, InconclusiveError, UsageError
from mlops_cli.experiments.found import AbResult, read_experiment
from mlops_cli.governance.decide import decide
from mlops_cli.governance.decision import Decision, read_decision
from mlops_cli.monitoring.counts import comparison as window
from mlops_cli.monitoring.drift.verdict import alpha_of, find_drift
from mlops_cli.reports.model import (
    MetricChange,
    ReportResult,
    TrainingDrift,
)
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, ModelVersion, Tracker
from mlops_cli.training.data import read_fitted

_ENDS = ("_low", "_high")
_Values = Mapping[str, float | None]


def report(project: Project, *, against: str | None = None) -> ReportResult:
    """What is to be said of `model/`; nothing is changed, neither here nor in the registry.

    The gates are asked, but not again of the champion itself. `against` is a git
    revision whose `metrics.json` stands beside this one's. Where the registry does not answer, or
    has lost its champion, the verdict is that of `decision.json` if it is about this model, else
    `undecided`. Raises `UsageError` for a revision that git does not know and where no
    model was trained, `BundleError` for one that is broken, `DataError` for one without metrics.
    """
    root = project.root
    commit = commit_of(root, against) if against else None
    bundle = _trained(root)
    before = _holdout(committed(root, commit, METRICS_FILE)) if commit else {}
    tracker = open_tracker(project)
    asked = _ask(project, tracker, bundle)
    decision = asked.decision
    return ReportResult(
        project=project.config.project,
        digest=bundle.digest,
        version=bundle.version,
        champion=asked.champion.version if asked.champion else None,
        verdict=decision.verdict if decision else "undecided",
        reason=asked.reason,
        recorded=asked.recorded,
        gates=decision.gates if decision else (),
        metric=project.config.metric,
        metrics=tuple(_changes(_holdout(_read(root / METRICS_FILE)), before)),
        against=against,
        commit=commit,
        drift=_drift(project, tracker, bundle, asked),
        uncommitted=uncommitted(root, (DVC_LOCK, METRICS_FILE)),
        positive=_positive(bundle),
        experiment=_experiment(root, bundle),
    )


def _experiment(root: Path, bundle: Bundle) -> AbResult | None:
    """The last experiment, where this model was one of the two."""
    found = read_experiment(root)
    versions = (found.champion, found.candidate) if found is not None else ()
    return found if bundle.version in versions else None


def _trained(root: Path) -> Bundle:
    if not (root / MODEL).is_dir():
        raise UsageError(f"nothing is trained: there is no {MODEL}/", hint="mlops run")
    return open_bundle(root / MODEL)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What registry and gates say; `reason` is why they say nothing."""

    champion: ModelVersion | None
    decision: Decision | None
    recorded: bool = False
    reason: str | None = None


def _ask(project: Project, tracker: Tracker, bundle: Bundle) -> _Asked:
    made = read_decision(project.root)
    if made is not None and made.digest != bundle.digest:
        made = None
    champion = None
    try:
        champion = tracker.alias(CHAMPION)
        if champion is None or champion.digest != bundle.digest or made is None:
            return _Asked(champion, decide(project))
    except EnvironmentFault as e:
        return _Asked(champion, made, recorded=made is not None, reason=e.message)
    return _Asked(champion, made, recorded=True)


def _positive(bundle: Bundle) -> str | None:
    manifest = bundle.manifest
    if manifest.task != "binary" or not manifest.classes:
        return None
    return class_key(manifest.classes[1])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as e:
        raise DataError(f"{file.name} does not exist", hint="mlops train") from e


def _holdout(raw: bytes | None) -> dict[str, float | None]:
    """The hold-out part of a `metrics.json`; of one that cannot be read nothing."""
    try:
        return msgspec.json.decode(raw or b"", type=_Metrics).holdout
    except msgspec.DecodeError:
        return {}


class _Metrics(msgspec.Struct):
    holdout: dict[str, float | None]


def _changes(current: _Values, reference: _Values) -> Iterator[MetricChange]:
    names = dict.fromkeys([*current, *reference])
    for name in names:
        if name.endswith(_ENDS) and name.rpartition("_")[0] in names:
            continue  # an end of the interval of another one
        value, low, high = _all(current, name)
        before = _all(reference, name)
        change = value - before[0] if value is not None and before[0] is not None else None
        yield MetricChange(name, value, low, high, *before, change)


def _all(values: _Values, name: str) -> tuple[float | None, float | None, float | None]:
    low, high = _ENDS
    return values.get(name), values.get(name + low), values.get(name + high)


def _drift(
    project: Project, tracker: Tracker, bundle: Bundle, asked: _Asked
) -> TrainingDrift | None:
    """The rows that this model was fitted on, held against the profile of the champion's."""
    if asked.champion is None or asked.champion.digest == bundle.digest:
        return None
    try:
        champion = open_bundle(tracker.fetch(asked.champion.digest))
        table = read_fitted(project.root, project.config)
        return _compare(project, champion, table)
    except (EnvironmentFault, InconclusiveError) as e:
        return TrainingDrift(unknown=e.message)


def _compare(project: Project, champion: Bundle, table: pa.Table) -> TrainingDrift:
    trees = champion.trees().features
    profile = window.without_time(champion.profile(), project.config.data.time, trees)
    settings = project.config.drift
    alpha = alpha_of(settings.false_alarms_per_month, settings.every)
    shared = window.comparable(profile, table.schema)
    if not shared.columns:
        return TrainingDrift(unknown="they have no column in common")
    found = find_drift(window.compare(shared, [table]), alpha)
    names = {c.name for c in shared.columns}
    return TrainingDrift(
        compared=len(found),
        columns=tuple(c for c in found if c.drifted),
        absent=tuple(c.name for c in profile.columns if c.name not in names),
        rows=table.num_rows,
        rows_before=profile.rows,
    )
