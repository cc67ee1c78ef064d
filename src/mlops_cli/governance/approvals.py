"""Who approved a version, on which evidence, and what is missing: all of it by the audit log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_cli._git import authors
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import YIELDS, lasting, makes_champion
from mlops_cli.audit.log import every_entry, known_entries
from mlops_cli.audit.signatures import principal_of, unsigned
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import ApprovalError, EnvironmentFault
from mlops_cli.governance.people import is_login, person
from mlops_cli.governance.rules import Rules, rules_in_force, rules_of
from mlops_cli.governance.sources import source_files
from mlops_cli.tracking.base import Tracker

BREAK_GLASS = "break_glass"  # of a promotion's subject
REVIEWER = "reviewer"  # of an approval's subject: for whom the actor speaks, github:LOGIN
_WROTE = "wrote a part of what it was made from"


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that counts: who filled which role, when (UTC), and why."""

    role: str
    by: str
    time: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a version by the log: `record` is its registration, whose evidence counts.

    `given` are the approvals of that record; `rejected` is a person's refusal since then, `refused`
    the gates'. `crown` is the entry that made it the champion last, `promoted` its last promotion.
    """

    record: Entry | None = None
    given: tuple[Entry, ...] = ()
    rejected: Entry | None = None
    refused: Entry | None = None
    crown: Entry | None = None
    promoted: Entry | None = None

    @property
    def unapproved(self) -> bool:
        """Whether it was promoted without the approvals that were asked."""
        return self.promoted is not None and BREAK_GLASS in self.promoted.subject


@dataclass(frozen=True, slots=True)
class Standing:
    """The approvals that count for a version, and the roles that still have to approve."""

    course: Course
    approvals: tuple[Approval, ...]
    missing: tuple[str, ...]


def course_of(entries: Mapping[str, Entry], digest: str) -> Course:
    """What the log has of the version.

    A registration from other inputs voids what was approved, unless it was promoted meanwhile.
    """
    course = Course()
    for entry in lasting(entries):
        if entry.subject.get("digest") == digest:
            course = _after(course, entry)
    return course


def made_from(entries: Mapping[str, Entry], digest: str) -> dict[str, str]:
    """What the version was made from, by digest: of the registration that counts.

    Of one that was only refused, of the last time; nothing where the log does not know it.
    """
    course = course_of(entries, digest)
    found = course.record or course.refused
    return dict(found.evidence) if found else {}


def _after(course: Course, entry: Entry) -> Course:
    if entry.outcome == "refused" and entry.action == "register" and YIELDS not in entry.subject:
        return replace(course, refused=entry)
    if entry.outcome != "done":
        return course
    match entry.action:
        case "register" if course.crown is None or course.record is None:
            given = course.given if _of_record(course, entry) else ()
            course = replace(course, record=entry, given=given, rejected=None, refused=None)
        case "approve" if _of_record(course, entry):
            course = replace(course, given=(*course.given, entry))
        case "reject":
            course = replace(course, given=(), rejected=entry)
        case "promote":
            course = replace(course, promoted=entry, rejected=None)
    return replace(course, crown=entry) if makes_champion(entry) else course


def _of_record(course: Course, entry: Entry) -> bool:
    return course.record is not None and inputs_of(course.record) == inputs_of(entry)


def inputs_of(entry: Entry) -> str | None:
    """What names all that the version was made from, as the entry has it."""
    return entry.evidence.get("inputs") or entry.evidence.get("data")


def person_of(entry: Entry) -> str:
    """For whom the entry speaks, by their one name: the actor, or the reviewer that it names."""
    return person(entry.subject.get(REVIEWER, principal_of(entry.actor)))


def actor_of(entry: Entry) -> str:
    """Who wrote the entry, by their one name."""
    return person(principal_of(entry.actor))


def standing_of(project: Project, entries: Mapping[str, Entry], digest: str) -> Standing:
    """What counts for the version, and what is missing.

    By the rules in force; of one that was promoted, by those that it was promoted by.
    """
    course = course_of(entries, digest)
    then = rules_of(project.root, course.promoted) if course.promoted else None
    rules = (then,) if then else rules_in_force(project, entries)
    counted: dict[tuple[str, str], Entry] = {}
    missing: dict[str, None] = {}
    for one in rules:
        filled = filled_by(one, valid_approvals(project, entries, course, one))
        counted |= {(role, person_of(entry)): entry for role, entry in filled.items()}
        missing |= dict.fromkeys(role for role in one.approvals if role not in filled)
    approvals = (Approval(r, by, e.time, e.reason) for (r, by), e in counted.items())
    return Standing(course, tuple(approvals), tuple(missing))


def valid_approvals(
    project: Project, entries: Mapping[str, Entry], course: Course, rules: Rules
) -> list[Entry]:
    """The approvals of the version that count by themselves: of its record, by who may."""
    if not course.given:
        return []
    barred = excluded(project, entries, course)
    given = ((e, person_of(e), actor_of(e)) for e in course.given)
    return [e for e, who, by in given if barred.why(who, by) is None and void(e, rules) is None]


def void(entry: Entry, rules: Rules) -> str | None:
    """Why an approval counts for nothing by these rules, whoever made the version; None: it counts.

    A reviewer, `github:LOGIN`, is vouched for by who fills no role: by a build, whose key can sign.
    """
    who, by = person_of(entry), actor_of(entry)
    if who not in rules.people(role := entry.subject.get("role", "")):
        return f"governance.roles does not name {who} as {role}"
    if REVIEWER in entry.subject and not is_login(entry.subject[REVIEWER]):
        return f"a reviewer is github:LOGIN, and {who} approves in person"
    if REVIEWER in entry.subject and any(by in rules.people(r) for r in rules.roles or {}):
        return f"{by} may not speak for {who}"
    return unsigned(entry, rules.signers) if rules.signers is not None else None


@dataclass(frozen=True, slots=True)
class Barred:
    """Who may not approve a version: `reasons` says of each person why, `writers` wrote it."""

    reasons: Mapping[str, str]
    writers: Collection[str] = frozenset()

    def why(self, who: str, by: str) -> str | None:
        """Why `who` may not approve it, or `by` not in their name; None where they may."""
        if reason := self.reasons.get(who):
            return f"{who} {reason}"
        return f"{by} {_WROTE}, and may not speak for {who}" if by in self.writers else None


def excluded(project: Project, entries: Mapping[str, Entry], course: Course) -> Barred:
    """Who may not approve the version, and why: who registered it, and who wrote what made it.

    That is every author of a file that a stage depends on, since the commit of the champion that
    it was compared with. Raises `EnvironmentFault` where this clone lacks a part of the history.
    """
    if course.record is None:
        return Barred({})
    registered = {person_of(course.record): "registered it"}
    code = course.record.evidence.get("code")
    if code is None:
        return Barred(registered)
    before = course.record.subject.get("before")
    champion = course_of(entries, before).record if before else None
    since = champion.evidence.get("code") if champion else None
    found = authors(project.root, since, code, source_files(project.root))
    if found is None:
        raise EnvironmentFault(
            f"who wrote what commit {code[:12]} was made from cannot be told: this clone lacks a "
            "part of its history",
            hint="git fetch --unshallow origin (in GitHub Actions `fetch-depth: 0`)",
        )
    writers = frozenset(map(person, found))
    return Barred(dict.fromkeys(writers, _WROTE) | registered, writers)


def filled_by(rules: Rules, approvals: Sequence[Entry]) -> dict[str, Entry]:
    """As many roles as can be filled by these approvals, one by a person."""
    taken: dict[str, tuple[str, Entry]] = {}

    def fill(role: str, seen: set[str]) -> bool:
        for entry in _for(role, approvals):
            person = person_of(entry)
            if person in seen:
                continue
            seen.add(person)
            if person not in taken or fill(taken[person][0], seen):
                taken[person] = (role, entry)
                return True
        return False

    for role in rules.approvals:
        fill(role, set())
    return dict(taken.values())


def _for(role: str, approvals: Iterable[Entry]) -> Iterator[Entry]:
    return (e for e in approvals if e.subject.get("role") == role)


def hold(project: Project, tracker: Tracker, digest: str) -> None:
    """Raise `ApprovalError`, naming each missing approval, for what may not go where users are.

    A version may that has every approval, and one that by the log was promoted without, or brought
    back by a rollback. Where no approvals are asked, the registry is not.
    """
    root = project.root
    if not any(rules.approvals for rules in rules_in_force(project, known_entries(root))):
        return
    standing = standing_of(project, every_entry(root, tracker), digest)
    crown = standing.course.crown
    back = crown is not None and (crown.action == "rollback" or standing.course.unapproved)
    if standing.course.rejected or (standing.missing and not back):
        raise lacking(digest, standing)


def lacking(digest: str, standing: Standing) -> ApprovalError:
    """The error that names what is missing."""
    version, missing = short(digest), standing.missing
    if (no := rejection(digest, standing.course)) is not None:
        return no
    named = ", ".join(missing)
    return ApprovalError(
        f"{version} lacks {len(missing)} approval{'s' * (len(missing) > 1)}: {named}",
        hint=f"who fills the role: mlops approve {version} --role {missing[0]}",
    )


def rejection(digest: str, course: Course) -> ApprovalError | None:
    """The error for a version that a person rejected; None for any other."""
    if (rejected := course.rejected) is None:
        return None
    hint = "train another one; or register it again: `mlops register`"
    if course.crown is not None:  # no registration renews what was the champion
        hint = f"all the same: mlops promote {short(digest)} --break-glass --reason TEXT"
    return ApprovalError(
        f"{short(digest)} was rejected by {person_of(rejected)}: {rejected.reason}", hint=hint
    )
