"""Two who became the champion at the same moment: the first by the log stands."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.graph import YIELDS, lasting, makes_champion
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.tracking.base import CHAMPION, AliasMoved, Tracker

_ACTIONS = ("register", "promote")


def settle_tie(project: Project, tracker: Tracker, made: Entry, known: Collection[str]) -> str:
    """The digest of the version that stands, of those that took the place of the same champion.

    The registry has no compare-and-set, so two may both have seen their own alias. `known` are the
    ids of the entries from before. What gives way is taken back in the log, and the alias goes to
    the first.
    """
    before = made.subject.get("before")
    new = (e for e in lasting(every_entry(project.root, tracker)) if e.id not in known)
    rivals = [e for e in new if makes_champion(e) and e.action in _ACTIONS]
    first, *others = [e for e in rivals if e.subject.get("before") == before] or [made]
    stands = first.subject["digest"]
    if later := [e for e in others if e.subject["digest"] != stands]:
        for entry in later:
            _take_back(project, tracker, entry, stands)
        _leave_to(tracker, stands)
    return stands


def _take_back(project: Project, tracker: Tracker, entry: Entry, stands: str) -> None:
    subject = {"digest": entry.subject["digest"], YIELDS: entry.id}
    why = f"{short(stands)} took the same place at the same moment, and was first"
    draft = Draft(entry.action, "refused", subject, why, entry.evidence)
    record(project, draft, copies=tracker)


def _leave_to(tracker: Tracker, digest: str) -> None:
    version = next((v for v in tracker.versions() if v.digest == digest), None)
    if version is not None:
        with suppress(AliasMoved):  # by somebody who was later still
            tracker.set_alias(CHAMPION, version, expected=tracker.alias(CHAMPION))
