"""The version that a person names, or the candidate: as registry and log have it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mlops_cli.audit.entry import Entry
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.governance.approvals import course_of
from mlops_cli.tracking.base import CANDIDATE, CHAMPION, ModelVersion, Tracker


def waiting_version(tracker: Tracker, entries: Mapping[str, Entry]) -> ModelVersion | None:
    """The candidate; None where there is none, or it is or was the champion, or was rejected."""
    waits = any(e.subject.get("alias") == CANDIDATE for e in entries.values())
    candidate = tracker.alias(CANDIDATE) if waits else None  # the registry is not asked in vain
    if candidate is None:
        return None
    course, champion = course_of(entries, candidate.digest), tracker.alias(CHAMPION)
    over = course.crown is not None or course.rejected is not None or course.refused is not None
    return None if over or candidate == champion else candidate


def version_of(
    project: Project, tracker: Tracker, entries: Mapping[str, Entry], name: str | None
) -> ModelVersion:
    """The version of 12 digits or more, or the candidate where none is named.

    Raises `UsageError` where there is none, and `EnvironmentFault` where the log knows it and the
    registry has lost it, or the registry does not answer.
    """
    if name is None:
        if found := waiting_version(tracker, entries):
            return found
        tracker.alias(CANDIDATE)  # one that is away may know of a candidate that this clone lacks
        raise UsageError(
            f"no version of {project.config.project} waits in {tracker.address}",
            hint="name one, by the 12 digits that `mlops audit` shows; or make one: `mlops run`",
        )
    if not re.fullmatch(r"[0-9a-f]{12,64}", name):
        raise UsageError(
            f"{name!r} is no version: it is named by 12 hexadecimal digits",
            hint="`mlops status` and `mlops audit` show them",
        )
    if found := next((v for v in tracker.versions() if v.digest.startswith(name)), None):
        return found
    known = any(e.subject.get("digest", "").startswith(name) for e in entries.values())
    if known:
        raise EnvironmentFault(
            f"the registry at {tracker.address} has lost the version {short(name)}, which the "
            "audit log knows",
            hint="set MLFLOW_TRACKING_URI to the registry that has it, or make it again at its "
            "commit: mlops register",
        )
    raise UsageError(
        f"the registry at {tracker.address} knows no version {short(name)}",
        hint="`mlops status` and `mlops audit` name those that there are",
    )
