"""The command `status`: where the project stands. It reads, and creates or changes nothing."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import deployed_on
from mlops_cli.audit.log import known_entries
from mlops_cli.bundle.manifest import short
from mlops_cli.config.paths import DRIFT_REPORT, METRICS_FILE
from mlops_cli.config.project import Project
from mlops_cli.config.written import HINT, secrets_in_files
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.experiments.rollout import parse_state
from mlops_cli.governance.approvals import Approval, course_of, standing_of
from mlops_cli.governance.candidates import waiting_version
from mlops_cli.governance.champion import lost_champion
from mlops_cli.governance.decision import read_decision
from mlops_cli.pipeline.state import stage_states
from mlops_cli.serving.rollouts.traffic import parse_document
from mlops_cli.targets import open_target
from mlops_cli.targets.base import Deployment, KeepsRollout, Target
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, PYTHON_FEATURES, Tracker


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage of the pipeline; `state` is `up to date`, `not run yet`, or what changed."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class ChampionStatus:
    """The champion; `metric` is its main metric's value when it was registered.

    `number` is the registry's own version number, `registry` its address. `code` are the files of
    its bundle that are code of the project's own, which a server runs: its Python features.
    """

    digest: str
    version: str
    metric: float | None
    metric_name: str
    metrics: Mapping[str, float]
    number: str
    registry: str
    code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CandidateStatus:
    """The version that waits: who approved it in which role, and the roles that are missing."""

    digest: str
    version: str
    approvals: tuple[Approval, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DecisionStatus:
    """What the gates said of the model of the last run; `why` names each gate that refused it."""

    digest: str
    version: str
    passed: bool
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollingStatus:
    """A version (12 digits) that is being rolled out: `weight` percent is answered by it."""

    version: str
    strategy: str
    state: str
    weight: float


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What a target says it runs; `rollout` is what is to replace it."""

    target: str
    digest: str
    version: str
    url: str
    healthy: bool
    since: datetime
    rollout: RollingStatus | None = None


@dataclass(frozen=True, slots=True)
class UnreachableTarget:
    """A target that did not answer: what runs there is not known."""

    name: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """The last drift report: which columns of which table drifted, against which model."""

    drifted: bool
    columns: tuple[str, ...]
    current: str
    version: str
    report: str


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that is lost, or that a clone of the project on another machine would lack."""

    name: str
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class StatusResult:
    """Where the project stands; `metrics` is what `metrics.json` says of the last training."""

    project: str
    stages: tuple[StageStatus, ...]
    metrics: Mapping[str, Any] | None
    decision: DecisionStatus | None
    champion: ChampionStatus | None
    candidate: CandidateStatus | None
    deployments: tuple[DeploymentStatus, ...]
    unreachable: tuple[UnreachableTarget, ...]
    drift: DriftStatus | None
    missing: tuple[Missing, ...]


def status(project: Project) -> StatusResult:
    """Where the project stands.

    Raises `EnvironmentFault` where the registry does not answer: "no champion" must never mean "no
    answer". A deploy target that does not answer is in `unreachable`, with its reason.
    """
    deployments, unreachable = _targets(project)
    tracker = open_tracker(project)
    champion = _champion(tracker, project.config.metric)
    entries = known_entries(project.root)
    return StatusResult(
        project=project.config.project,
        stages=tuple(StageStatus(name, state) for name, state in stage_states(project).items()),
        metrics=_read_json(project.root / METRICS_FILE),
        decision=_decision(project.root),
        champion=champion,
        candidate=_candidate(project, tracker, entries),
        deployments=deployments,
        unreachable=unreachable,
        drift=drift_status(project),
        missing=(
            *(() if champion else _lost(project, tracker.address)),
            *_unapproved(project, entries, champion),
            *_missing(project),
        ),
    )


def _decision(root: Path) -> DecisionStatus | None:
    found = read_decision(root)
    if found is None:
        return None
    why = tuple(f"{g.gate}: {g.why}" for g in found.gates if not g.passed)
    return DecisionStatus(found.digest, short(found.digest), found.passed, why)


def _champion(tracker: Tracker, metric: str) -> ChampionStatus | None:
    found = tracker.alias(CHAMPION)
    if found is None:
        return None
    # The metric that was the main one when it was registered; the configuration may have changed.
    name = found.tags.get("metric", metric)
    return ChampionStatus(
        digest=found.digest,
        version=found.version,
        metric=found.metrics.get(name),
        metric_name=name,
        metrics=dict(found.metrics),
        number=found.number,
        registry=tracker.address,
        code=tuple(found.tags.get(PYTHON_FEATURES, "").split()),
    )


def _candidate(
    project: Project, tracker: Tracker, entries: Mapping[str, Entry]
) -> CandidateStatus | None:
    if (found := waiting_version(tracker, entries)) is None:
        return None
    standing = standing_of(project, entries, found.digest)
    return CandidateStatus(found.digest, found.version, standing.approvals, standing.missing)


def _unapproved(
    project: Project, entries: Mapping[str, Entry], champion: ChampionStatus | None
) -> Iterator[Missing]:
    """What the champion went without, broken glass, until it is approved."""
    if champion is None or not course_of(entries, champion.digest).unapproved:
        return
    if missing := standing_of(project, entries, champion.digest).missing:
        why = f"{champion.version} was promoted without {', '.join(missing)}, by --break-glass"
        hint = f"mlops approve {champion.version} --role {missing[0]}"
        yield Missing("approvals", why, hint)


def _lost(project: Project, address: str) -> Iterator[Missing]:
    if lost := lost_champion(project, address):
        yield Missing("champion", lost.message, lost.hint or "")


def _targets(
    project: Project,
) -> tuple[tuple[DeploymentStatus, ...], tuple[UnreachableTarget, ...]]:
    """Ask the target of the configuration, and those where something was deployed and not ended."""
    asked = dict.fromkeys([project.config.deploy.target, *deployed_on(known_entries(project.root))])
    found: list[DeploymentStatus] = []
    unreachable: list[UnreachableTarget] = []
    for name in asked:
        try:
            place = open_target(name, project)
            there = place.status()
            rolling = _rolling(place) if there is not None else None
        except (EnvironmentFault, UsageError) as e:  # usage: a target of another release
            unreachable.append(UnreachableTarget(name, e.message, e.hint or ""))
            continue
        if there is not None:
            found.append(_deployment(there, rolling))
    return tuple(found), tuple(unreachable)


def _deployment(found: Deployment, rolling: RollingStatus | None) -> DeploymentStatus:
    version = short(found.digest)
    return DeploymentStatus(
        found.target, found.digest, version, found.url, found.healthy, found.since, rolling
    )


def _rolling(place: Target) -> RollingStatus | None:
    """The rollout that goes on there; `mlops rollout` tells of one that cannot be read."""
    kept = place.rollout() if isinstance(place, KeepsRollout) else None
    try:
        state = parse_state(parse_document(kept.document)) if kept is not None else None
    except ValueError:
        return None
    if state is None or not state.goes_on:
        return None
    return RollingStatus(short(state.candidate), state.strategy, state.status, state.weight)


def drift_status(project: Project) -> DriftStatus | None:
    """What the last drift report found; None where there is none."""
    found = _read_json(project.root / DRIFT_REPORT)
    if found is None or not isinstance(columns := found.get("columns"), list):
        return None
    return DriftStatus(
        drifted=bool(found.get("drifted")),
        columns=tuple(str(c["name"]) for c in columns if c.get("drifted")),
        current=str(found.get("current", "")),
        version=str(found.get("version", "")),
        report=str(found.get("report", "")),
    )


def _missing(project: Project) -> tuple[Missing, ...]:
    config, root = project.config, project.root
    tables = dict.fromkeys(project.tables)
    found = [fault for table in tables if (fault := _table_fault(root, table)) is not None]
    found += [
        Missing(where, f"{what} is in git, or would be", HINT)
        for where, what in secrets_in_files(root)
    ]
    if project.dvc_folder and not _has_remote(project.dvc_folder):
        why = "what DVC tracks (data, features, the bundle) stands on this machine only"
        found.append(Missing("dvc remote", why, "dvc remote add --default NAME URL && dvc push"))
    if not (config.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI")):
        why = "runs and model versions stand in mlflow.db on this machine only"
        hint = "set tracking.uri to a server that your team reaches"
        found.append(Missing("registry", why, hint))
    return tuple(found)


def _table_fault(root: Path, table: str) -> Missing | None:
    file = root / table
    if not file.exists():
        return Missing(
            table, "the table is not here", "dvc checkout or dvc pull, or bring the file"
        )
    if not file.resolve().is_relative_to(root.resolve()):
        why = "the table stands outside the project"
        return Missing(table, why, "copy it into data/raw/, and `dvc add` it")
    return None


def _has_remote(folder: Path) -> bool:
    for name in ("config", "config.local"):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(folder / name, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        if parser.has_option("core", "remote"):
            return True
    return False


def _read_json(file: Path) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return None
