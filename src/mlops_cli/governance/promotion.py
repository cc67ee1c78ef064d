"""Move the champion on: aliases and tags of the registry, and the entry that says so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.graph import reigns
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError, UsageError
from mlops_cli.governance.approvals import BREAK_GLASS, Course, course_of, lacking, standing_of
from mlops_cli.governance.rules import RULES, main_rules
from mlops_cli.governance.tie import settle_tie
from mlops_cli.governance.withdrawal import OF_A_ROLLOUT, replaced_by
from mlops_cli.tracking.base import (
    CHAMPION,
    DEPRECATED,
    PREVIOUS,
    WITHDRAWN,
    AliasMoved,
    ModelVersion,
    Tracker,
)


@dataclass(frozen=True, slots=True)
class Promotion:
    """What became the champion, in place of which digest; without approvals: `missing`."""

    version: ModelVersion
    before: str | None
    missing: tuple[str, ...]


def promote_version(
    project: Project,
    tracker: Tracker,
    entries: Mapping[str, Entry],
    version: ModelVersion,
    *,
    break_glass: str | None = None,
    reason: str | None = None,
) -> Promotion:
    """Make the version the champion, and record it.

    `break_glass` is the reason for doing without approvals. Raises `ApprovalError` where they are
    missing, `GateError` where another version became the champion since it was compared,
    `UsageError` for one that was withdrawn. A promotion that was killed is ended by the next one.
    """
    refuse_withdrawn(version)
    standing = standing_of(project, entries, version.digest)
    lacks = standing.missing or standing.course.rejected is not None
    if lacks and break_glass is None:
        raise lacking(version.digest, standing)
    current = tracker.alias(CHAMPION)
    if current is None or current.digest != version.digest:
        _refuse_uncompared(version, standing.course, current, entries)
        make_champion(tracker, version, current)
    if version.tags.keys() & {DEPRECATED}:
        tracker.tag(version, DEPRECATED, None)
    made = Promotion(version, _before(entries, version.digest), standing.missing)
    if reigns(entries)[-1:] != [version.digest] or _breaks(standing.course, made):
        entry = _record(project, tracker, standing.course, made, break_glass or reason)
        _refuse_second(version, settle_tie(project, tracker, entry, entries.keys()))
    keep_previous(project, tracker)
    return made


def _refuse_second(version: ModelVersion, stands: str) -> None:
    if stands != version.digest:
        raise GateError(
            f"{short(stands)} became the champion at the same moment, and before {version.version}",
            hint="`mlops register` compares with that one",
        )


def _breaks(course: Course, made: Promotion) -> bool:
    """An alias that was moved by hand is promoted without approvals, too, by an entry."""
    return bool(made.missing) and not course.unapproved


def _refuse_uncompared(
    version: ModelVersion,
    course: Course,
    current: ModelVersion | None,
    entries: Mapping[str, Entry],
) -> None:
    if course.refused is not None:
        raise GateError(
            f"{version.version} was refused by its gates: {course.refused.reason}",
            hint="decision.json says why; `mlops register` asks them again",
        )
    if course.crown is not None or course.record is None:
        return  # it was the champion before, or a release without a log registered it
    compared, now = course.record.subject.get("before"), current.digest if current else None
    stands = replaced_by(entries, now) if now else None  # while a rollout of it goes on
    if compared != now and (stands is None or compared != stands):
        was = short(compared) if compared else "no champion"
        raise GateError(
            f"{version.version} was compared with {was}, and the champion is "
            f"{short(now) if now else 'none'} now",
            hint="`mlops register` compares it again, on the commit that it was made from",
        )


def make_champion(tracker: Tracker, version: ModelVersion, current: ModelVersion | None) -> None:
    """Move the alias `champion`; raises `GateError` where another one became it meanwhile."""
    try:
        tracker.set_alias(CHAMPION, version, expected=current)
    except AliasMoved as e:
        raise GateError(e.message, hint="`mlops register` compares with that one") from e


def keep_previous(project: Project, tracker: Tracker) -> None:
    """Move the alias `previous` to what a rollback would take; it stays where there is nothing.

    Nothing here reads it: by the log it can be told at any time.
    """
    entries, champion = every_entry(project.root, tracker), tracker.alias(CHAMPION)
    if champion is None or champion.digest not in reigns(entries):
        return
    with suppress(UsageError, AliasMoved):
        older = older_champion(tracker, entries, champion.digest)
        tracker.set_alias(PREVIOUS, older, expected=tracker.alias(PREVIOUS))


def refuse_withdrawn(version: ModelVersion) -> None:
    """Raise `UsageError` for a version that may not be used any more."""
    if WITHDRAWN in version.tags:
        why, hint = version.tags[WITHDRAWN], "choose another one, or train one: mlops run"
        if why.startswith(OF_A_ROLLOUT):
            hint = f"once more: mlops deploy --version {version.version} --again"
        raise UsageError(f"{version.version} was withdrawn: {why}", hint=hint)


def _before(entries: Mapping[str, Entry], digest: str) -> str | None:
    return next((d for d in reversed(reigns(entries)) if d != digest), None)


def _record(
    project: Project, tracker: Tracker, course: Course, made: Promotion, reason: str | None
) -> Entry:
    subject = {"digest": made.version.digest}
    subject |= {"before": made.before} if made.before else {}
    subject |= {BREAK_GLASS: ", ".join(made.missing)} if made.missing else {}
    proof = dict(course.record.evidence) if course.record else {}
    commit = main_rules(project).commit
    proof |= {RULES: commit} if commit else {}
    return record(project, Draft("promote", "done", subject, reason, proof), copies=tracker)


def older_champion(tracker: Tracker, entries: Mapping[str, Entry], current: str) -> ModelVersion:
    """The next older champion that may be used; raises `UsageError` where there is none."""
    known = {v.digest: v for v in tracker.versions()}
    for digest in reversed(reigns(entries)):
        version = known.get(digest)
        if digest == current or version is None or not usable(version):
            continue
        if course_of(entries, digest).rejected is None:
            return version
    raise UsageError(
        f"there is no champion before {short(current)} that could take its place",
        hint="`mlops audit` has them all; `mlops rollback --to VERSION` takes one of them",
    )


def usable(version: ModelVersion) -> bool:
    """Whether a version was neither taken back nor withdrawn."""
    return not version.tags.keys() & {DEPRECATED, WITHDRAWN}
