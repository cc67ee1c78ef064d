"""A model that passed its gates where approvals are asked: the candidate, which waits for them."""

from __future__ import annotations

import json

from mlops_cli._git import commit_at, in_git
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.record import record
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.approvals import Course, course_of, inputs_of, person_of, standing_of
from mlops_cli.governance.judged import EVIDENCE, Model, register_version, subject_of
from mlops_cli.governance.result import Registration, Wish
from mlops_cli.governance.sources import uncommitted_sources
from mlops_cli.progress import Progress
from mlops_cli.tracking.base import CANDIDATE, AliasMoved, ModelVersion


def put_forward(model: Model, wish: Wish, progress: Progress) -> Registration | None:
    """Make it a version and the candidate, with an entry that names what it was made from.

    What was rejected is put forward again only where that is asked. None where another one became
    the candidate meanwhile. Raises `UsageError` where what the stages read is in no commit.
    """
    bundle, entries = model.candidate.bundle, model.entries()
    if not model.imported:
        refuse_uncommitted(model.project, bundle.version)
    course, found = course_of(entries, bundle.digest), model.evidence()
    if course.rejected and not wish.asked and not _is_other(model, course, found):
        why = f"{person_of(course.rejected)} rejected it: {course.rejected.reason}"
        return Registration(
            "not registered", bundle.digest, bundle.version, why=why, command="mlops register"
        )
    version = register_version(model)
    try:
        candidate = model.tracker.alias(CANDIDATE)
        model.tracker.set_alias(CANDIDATE, version, expected=candidate)
    except AliasMoved:
        return None
    if course.rejected or course.refused or _is_other(model, course, found):
        _record(model, version, found)
        progress.log(f"{version.version} is the candidate")
    missing = standing_of(model.project, model.entries(), version.digest).missing
    return Registration(
        "candidate",
        version.digest,
        version.version,
        version.number,
        champion=model.before,
        champion_before=model.before,
        missing=missing,
    )


def refuse_uncommitted(project: Project, version: str, refusal: str | None = None) -> None:
    """Raise `UsageError` where what the stages read is in no commit; `refusal` is the gates'."""
    root = project.root
    if not in_git(root):
        return
    files = uncommitted_sources(root)
    if files or commit_at(root, "HEAD") is None:
        named = ", ".join(files[:5]) or "mlops.yaml"
        raise UsageError(
            f"{version} is not registered: approvals are asked, and no commit holds what it was "
            f"made from ({named})" + (f"; nor would it be otherwise: {refusal}" if refusal else ""),
            hint="git add and git commit it, then `mlops run` again",
        )


def _is_other(model: Model, course: Course, found: dict[str, str]) -> bool:
    """Whether the log has another registration of it, or none."""
    if (record := course.record) is None:
        return True
    same = inputs_of(record) == found.get("inputs")
    return not same or record.subject.get("before") != subject_of(model.decision).get("before")


def _record(model: Model, version: ModelVersion, found: dict[str, str]) -> None:
    text = json.dumps(found, sort_keys=True)
    if version.tags.get(EVIDENCE) != text:
        model.tracker.tag(version, EVIDENCE, text)
    subject = subject_of(model.decision) | {"alias": CANDIDATE}
    draft = Draft("register", "done", subject, None, found)
    record(model.project, draft, copies=model.tracker)
