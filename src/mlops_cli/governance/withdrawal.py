"""What the registry says of a rollout's versions: who was withdrawn, who stands meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_cli.audit.entry import Entry
from mlops_cli.audit.live import rolling
from mlops_cli.audit.log import known_entries
from mlops_cli.config.project import Project
from mlops_cli.governance.champion import champion_of
from mlops_cli.tracking.base import CHAMPION, WITHDRAWN, ModelVersion, Tracker

OF_A_ROLLOUT = "in a rollout: "  # begins the reason of a version that a rollout withdrew


def withdraw_version(tracker: Tracker, champion: str, candidate: str, why: str) -> bool:
    """Move the alias `champion` back to the one digest, and tag the other as withdrawn.

    The alias stays where it names neither of them, such as where a version was deployed that was
    not promoted. Returns whether it names that champion now. Doing it again does nothing more.
    """
    known = {v.digest: v for v in tracker.versions()}
    current = tracker.alias(CHAMPION)
    if current is not None and current.digest == candidate and champion in known:
        tracker.set_alias(CHAMPION, known[champion], expected=current)
        current = known[champion]
    if (version := known.get(candidate)) is not None and WITHDRAWN not in version.tags:
        tracker.tag(version, WITHDRAWN, f"{OF_A_ROLLOUT}{why}")
    return current is not None and current.digest == champion


def take_again(tracker: Tracker, version: ModelVersion) -> bool:
    """Take away that a rollout withdrew it; False where it was withdrawn for another reason."""
    if not version.tags.get(WITHDRAWN, OF_A_ROLLOUT).startswith(OF_A_ROLLOUT):
        return False
    if WITHDRAWN in version.tags:
        tracker.tag(version, WITHDRAWN, None)
    return True


def standing_champion(
    project: Project, tracker: Tracker, *, hint: str = "make one with `mlops run`"
) -> ModelVersion:
    """The champion; while a rollout of it goes on, the version that answered before.

    By the log. Raises what `champion_of` raises.
    """
    return standing(project, tracker, champion_of(project, tracker, hint=hint))


def standing(project: Project, tracker: Tracker, champion: ModelVersion) -> ModelVersion:
    """The version that answered before the champion, while a rollout of that goes on."""
    before = replaced_by(known_entries(project.root), champion.digest)
    if before is None:
        return champion
    found = (v for v in tracker.versions() if v.digest == before)
    return next(found, champion)


def replaced_by(entries: Mapping[str, Entry], candidate: str) -> str | None:
    """The digest of the version that a rollout, which goes on, replaces by this one."""
    found = (e for e in rolling(entries).values() if e.subject["digest"] == candidate)
    return next((e.subject["before"] for e in found), None)
