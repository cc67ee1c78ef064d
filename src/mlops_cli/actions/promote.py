"""The command `promote`: the version that was approved becomes the champion."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_cli.actions.approve import identity
from mlops_cli.audit.log import every_entry
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.promotion import promote_version
from mlops_cli.governance.rules import main_rules
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tracking import open_tracker


@dataclass(frozen=True, slots=True)
class PromoteResult:
    """The champion, whom it replaced (a digest), and what it went without, broken glass.

    `convention` is whether names are git's own, since nobody is made to sign.
    """

    digest: str
    version: str
    before: str | None
    without: tuple[str, ...]
    convention: bool


def promote(
    project: Project,
    version: str | None = None,
    *,
    break_glass: bool = False,
    reason: str | None = None,
    progress: Progress = QUIET,
) -> PromoteResult:
    """Make a version (12 digits; by default the candidate) the champion; also one that was it.

    `break_glass`, with a reason, does without approvals: it is recorded, and stands in `status`
    until they are there. Raises `ApprovalError` naming each that is missing, and `GateError` where
    another version became the champion since it was compared.
    """
    if break_glass and not (reason and reason.strip()):
        raise UsageError("--break-glass needs a reason", hint="--reason 'why it cannot wait'")
    if break_glass:
        identity(project)
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    named = version_of(project, tracker, entries, version)
    made = promote_version(
        project,
        tracker,
        entries,
        named,
        break_glass=reason if break_glass else None,
        reason=reason,
    )
    progress.log(f"{named.version} is the champion")
    convention = main_rules(project).signers is None
    return PromoteResult(named.digest, named.version, made.before, made.missing, convention)
