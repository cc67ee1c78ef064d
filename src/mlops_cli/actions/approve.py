"""The command `approve`: a person in a role lets a version through, having seen what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from mlops_cli._git import author
from mlops_cli.actions.review import Review, review_of
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.audit.signatures import principal_of
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import ApprovalError, UsageError
from mlops_cli.governance.approvals import (
    REVIEWER,
    Approval,
    Standing,
    excluded,
    filled_by,
    person_of,
    standing_of,
    valid_approvals,
    void,
)
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.people import is_login, person
from mlops_cli.governance.rules import main_rules, rules_in_force
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import Tracker


@dataclass(frozen=True, slots=True)
class ApproveResult:
    """Who approved what; `missing` are the roles that still have to.

    `convention` is whether names are git's own, since nobody is made to sign.
    `role` and `by` are None where the version was only shown; `review` is what was shown.
    """

    digest: str
    version: str
    role: str | None
    by: str | None
    approvals: tuple[Approval, ...]
    missing: tuple[str, ...]
    convention: bool
    review: Review | None = None


def approve(
    project: Project,
    version: str | None = None,
    *,
    role: str | None = None,
    reason: str | None = None,
    show: bool = False,
    reviewer: str | None = None,
    key: Path | None = None,
) -> ApproveResult:
    """Approve a version (12 digits; by default the candidate) in a role, in git's identity.

    The entry of the log names what the version was made from. `show` adds what there is to be
    looked at; without a role that is all. `reviewer` (`github:LOGIN`) is for whom the actor speaks,
    `key` a private OpenSSH key that signs. Raises
    `ApprovalError` where this person may not, which is recorded, and `UsageError` for what is not
    there, and where git does not know who acts.
    """
    if reviewer is not None and not is_login(reviewer):
        raise UsageError(
            f"a reviewer is named github:LOGIN, and not {reviewer[:100]!r}",
            hint="who has an address approves in person, in a clone of their own",
        )
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version)
    found = _Approving(project, entries, named.digest, role, reason, reviewer)
    seen = review_of(project, entries, tracker, named) if show else None
    by = None
    if role is not None:
        by = found.give(tracker, key)
        entries = every_entry(project.root, tracker)
    elif not show:
        raise UsageError(
            "in which role do you approve?",
            hint=f"mlops approve {named.version} --role ROLE; roles are in governance.roles",
        )
    now = standing_of(project, entries, named.digest)
    return ApproveResult(
        named.digest,
        named.version,
        role,
        by,
        now.approvals,
        now.missing,
        main_rules(project).signers is None,
        review=seen,
    )


@dataclass(frozen=True, slots=True)
class _Approving:
    """Somebody approves a version in a role."""

    project: Project
    entries: Mapping[str, Entry]
    digest: str
    role: str | None
    reason: str | None
    reviewer: str | None

    def give(self, tracker: Tracker, key: Path | None) -> str:
        """Record it, and say whose approval it is; raises `ApprovalError` where it counts not."""
        draft, version = self.draft(), short(self.digest)
        entry = record(self.project, draft, copies=tracker, key=key)
        by = person_of(entry)
        if draft.outcome == "refused":
            raise ApprovalError(
                f"{by} cannot approve {version} as {self.role}: {draft.reason}",
                hint=f"`mlops approve {version} --show` names who may",
            )
        found = [void(entry, rules) for rules in rules_in_force(self.project, self.entries)]
        if why := None if None in found else found[0]:
            raise ApprovalError(
                f"the approval of {version} by {by} counts for nothing: {why}",
                hint="sign with --key FILE, or with the key that git signs with",
            )
        return by

    def draft(self) -> Draft:
        """The entry: done, or refused with the reason; raises `UsageError` for no identity."""
        standing = standing_of(self.project, self.entries, self.digest)
        record = standing.course.record
        if record is None:
            raise UsageError(
                f"the audit log has no registration of {self.digest[:12]}, so that nobody knows "
                "what would be approved",
                hint="register it first: mlops register",
            )
        evidence = dict(record.evidence)
        subject = {"digest": self.digest, "role": self.role or ""}
        if self.reviewer:
            subject[REVIEWER] = self.reviewer
        why = self._why_not(standing)
        if why is not None:
            return Draft("approve", "refused", subject, why, evidence)
        return Draft("approve", "done", subject, self.reason, evidence)

    def _why_not(self, standing: Standing) -> str | None:
        who = person(self.reviewer or identity(self.project))
        rules = rules_in_force(self.project, self.entries)
        asked = list(dict.fromkeys(r for one in rules for r in one.approvals))
        if self.role not in asked:
            roles = f"the rules ask for {', '.join(asked)}" if asked else "the rules ask for none"
            return f"nobody is asked to approve as {self.role}: {roles}"
        if standing.course.rejected is not None:
            return f"{person_of(standing.course.rejected)} rejected it"
        if not any(who in one.people(self.role) for one in rules):
            return f"governance.roles on the main line does not name {who} as {self.role}"
        by = person(principal_of(author(self.project.root)))
        if why := excluded(self.project, self.entries, standing.course).why(who, by):
            return why
        mine = next((a for a in standing.approvals if a.by == who), None)
        if mine is not None and not self._fills_more(standing, who):
            return f"{who} approved it as {mine.role} already, and one person fills one role"
        return None

    def _fills_more(self, standing: Standing, who: str) -> bool:
        """Whether the approval leaves fewer roles open although this person has one."""
        if self.role in {a.role for a in standing.approvals if a.by == who}:
            return True  # again: nothing is gained, and nothing is wrong
        for rules in rules_in_force(self.project, self.entries):
            valid = valid_approvals(self.project, self.entries, standing.course, rules)
            known = [e for e in valid if person_of(e) == who]
            more = [replace(e, subject={**e.subject, "role": self.role or ""}) for e in known]
            if len(filled_by(rules, [*valid, *more])) > len(filled_by(rules, valid)):
                return True
        return False


def identity(project: Project) -> str:
    """The address of git's identity; raises `UsageError` where git has none."""
    actor = author(project.root)
    if not actor.endswith(">") or "@" not in actor:
        raise UsageError(
            "git does not know who you are, and an approval is somebody's",
            hint="git config user.name 'YOUR NAME' && git config user.email YOU@EXAMPLE.ORG",
        )
    return actor.rpartition("<")[2].rstrip(">")
