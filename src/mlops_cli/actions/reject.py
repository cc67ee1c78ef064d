"""The command `reject`: a version that waits goes no further, and the log says why."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.actions.approve import identity
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champions
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.candidates import version_of
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, DEPRECATED


@dataclass(frozen=True, slots=True)
class RejectResult:
    """Who rejected which version."""

    digest: str
    version: str
    by: str
    reason: str


def reject(project: Project, version: str, *, reason: str) -> RejectResult:
    """Reject a version: what was approved of it counts no more, until it is registered again.

    One that was the champion before is `deprecated`, too: no rollback takes it, and only
    `promote --break-glass` makes it the champion again.
    Raises `UsageError` for one that is not there, for the champion, and for no reason.
    """
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version)
    champion = tracker.alias(CHAMPION)
    if champion is not None and champion.digest == named.digest:
        raise UsageError(f"{named.version} is the champion", hint="go back: mlops rollback")
    if not reason.strip():
        raise UsageError("a rejection has a reason", hint="--reason 'what is wrong with it'")
    by = identity(project)
    record(project, Draft("reject", "done", {"digest": named.digest}, reason), copies=tracker)
    if named.digest in champions(entries):
        tracker.tag(named, DEPRECATED, reason)
    return RejectResult(named.digest, named.version, by, reason)
