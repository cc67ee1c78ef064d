"""What is to be looked at before a version is approved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_cli._git import changed_files
from mlops_cli.actions.compare import (
    CompareResult,
    MetricComparison,
    compare,
    metric_comparisons,
)
from mlops_cli.actions.status import DriftStatus, drift_status
from mlops_cli.audit.entry import Entry
from mlops_cli.config.project import Project
from mlops_cli.governance.approvals import course_of, excluded
from mlops_cli.governance.decision import GateResult, read_decision
from mlops_cli.governance.sources import source_files
from mlops_cli.tracking.base import CHAMPION, ModelVersion, Tracker


@dataclass(frozen=True, slots=True)
class Review:
    """A version beside the champion (null where there is none).

    `metrics` have the champion's as `a` and the version's as `b`, with their 95 % intervals;
    `gates` are null where `decision.json` is of another model. `files` are those that a stage
    depends on and that changed since the champion's commit; `barred` says of each person that may
    not approve why. `evidence` are the digests that an approval names.
    """

    champion: str | None
    metrics: list[MetricComparison]
    gates: tuple[GateResult, ...] | None
    drift: DriftStatus | None
    comparison: CompareResult | None
    files: list[str]
    barred: dict[str, str]
    evidence: dict[str, str]


def review_of(
    project: Project, entries: Mapping[str, Entry], tracker: Tracker, version: ModelVersion
) -> Review:
    """What is known of the version; nothing is run."""
    champion = tracker.alias(CHAMPION)
    if champion is not None and champion.digest == version.digest:
        champion = None
    course, decision = course_of(entries, version.digest), read_decision(project.root)
    compared = compare(project, champion.version, version.version) if champion else None
    evidence = dict(course.record.evidence) if course.record else {}
    before = course_of(entries, champion.digest).record if champion else None
    since, until = (before.evidence.get("code") if before else None), evidence.get("code")
    known = bool(since and until)
    return Review(
        champion=champion.version if champion else None,
        metrics=compared.metrics if compared else metric_comparisons({}, version.metrics),
        gates=decision.gates if decision and decision.digest == version.digest else None,
        drift=drift_status(project),
        comparison=compared,
        files=changed_files(project.root, since or "", until or "", source_files(project.root))
        if known
        else [],
        barred=dict(excluded(project, entries, course).reasons),
        evidence=evidence,
    )
