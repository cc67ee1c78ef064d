"""The command `rollback`: the champion before, everywhere, in seconds and without data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mlops_cli.actions.bring import DeployResult, bring, release_of, where_it_runs
from mlops_cli.actions.rollout import end_rollout, work_of
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.graph import champions, deployed_on, lasting, makes_champion
from mlops_cli.audit.live import brought, rolling
from mlops_cli.audit.log import every_entry
from mlops_cli.audit.record import record
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.governance.approvals import course_of, rejection
from mlops_cli.governance.candidates import version_of
from mlops_cli.governance.champion import champion_of
from mlops_cli.governance.promotion import (
    keep_previous,
    make_champion,
    older_champion,
    refuse_withdrawn,
)
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving.models import check_environment
from mlops_cli.targets import open_target
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, DEPRECATED, ModelVersion, Tracker


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """The champion now, which digest it replaced, and what runs on each target."""

    digest: str
    version: str
    before: str
    targets: tuple[DeployResult, ...]


def rollback(
    project: Project,
    *,
    to: str | None = None,
    reason: str | None = None,
    progress: Progress = QUIET,
) -> RollbackResult:
    """Make the next older champion (or `to`, of 12 digits) the champion, on every target.

    The log has the intent first; a rollback that did not end is ended by the next one. It needs no
    approval and no data. Raises `UsageError` where there is no such champion, `ApprovalError` for
    one that was rejected since, `EnvironmentFault` naming each target that failed, and, before
    anything moves, where a bundle is gone.
    """
    tracker = open_tracker(project)
    entries = every_entry(project.root, tracker)
    back = _Back(project, tracker, entries, progress)
    intent = back.unfinished(to) or back.begin(to, reason)
    return back.finish(intent)


@dataclass(frozen=True, slots=True)
class _Intent:
    """From which champion (a digest) to which version, and why."""

    version: ModelVersion
    before: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class _Back:
    """A way back, by the log as it was when it began."""

    project: Project
    tracker: Tracker
    entries: Mapping[str, Entry]
    progress: Progress

    def begin(self, to: str | None, reason: str | None) -> _Intent:
        """Choose the version, make sure that it can run, and record what is going to be done."""
        champion = champion_of(self.project, self.tracker)
        if not champion.number:
            raise EnvironmentFault(
                f"the registry at {self.tracker.address} has lost its champion, and those before",
                hint="set MLFLOW_TRACKING_URI to the registry that has them",
            )
        version = self._chosen(to, champion)
        bundle = open_bundle(self.tracker.fetch(version.digest))
        if "local" in deployed_on(self.entries):
            check_environment(bundle.manifest)
        subject = {"digest": version.digest, "before": champion.digest}
        draft = Draft("rollback", "done", subject, reason)
        record(self.project, draft, copies=self.tracker)
        return _Intent(version, champion.digest, reason)

    def _chosen(self, to: str | None, champion: ModelVersion) -> ModelVersion:
        if to is None:
            self._refuse_beside_a_rollout(champion)
            return older_champion(self.tracker, self.entries, champion.digest)
        version = version_of(self.project, self.tracker, self.entries, to)
        if version.digest == champion.digest:
            raise UsageError(f"{version.version} is the champion", hint="nothing is to be done")
        if version.digest not in champions(self.entries):
            raise UsageError(
                f"{version.version} never was the champion", hint=f"mlops promote {to}"
            )
        refuse_withdrawn(version)
        if no := rejection(version.digest, course_of(self.entries, version.digest)):
            raise no
        return version

    def _refuse_beside_a_rollout(self, champion: ModelVersion) -> None:
        """The way back from a candidate that never was the champion leads to the champion."""
        for target, entry in rolling(self.entries).items():
            if (candidate := entry.subject["digest"]) != champion.digest:
                raise UsageError(
                    f"{short(candidate)} is being rolled out on {target}, and the champion is"
                    f" {champion.version}: to go back from which of them?",
                    hint=f"mlops rollout abort --target {target} ends the rollout; mlops rollback"
                    " --to VERSION goes to a champion before",
                )

    def unfinished(self, to: str | None) -> _Intent | None:
        """The last rollback, where something of it is still to be done."""
        made = (e for e in reversed(lasting(self.entries)) if makes_champion(e))
        last = next(made, None)
        if last is None or last.action != "rollback":
            return None
        digest, before = last.subject["digest"], last.subject["before"]
        if to is not None and not digest.startswith(to):
            return None
        known = {v.digest: v for v in self.tracker.versions()}
        if digest not in known:
            return None
        champion, withdrawn = self.tracker.alias(CHAMPION), known.get(before)
        moved = champion is not None and champion.digest == digest
        tagged = withdrawn is None or DEPRECATED in withdrawn.tags
        if moved and tagged and not list(self._left(digest)):
            return None
        return _Intent(known[digest], before, last.reason)

    def _left(self, digest: str) -> Iterator[str]:
        """The targets where, by the log, another version came last, or is being rolled out."""
        last, divided = brought(self.entries), rolling(self.entries)
        there = deployed_on(self.entries)
        return (name for name in there if last.get(name) != digest or name in divided)

    def finish(self, intent: _Intent) -> RollbackResult:
        """Move the aliases, tag what is taken back, and bring the version to each target."""
        version, current = intent.version, self.tracker.alias(CHAMPION)
        if current is None or current.digest != version.digest:
            make_champion(self.tracker, version, current)
        if DEPRECATED in version.tags:
            self.tracker.tag(version, DEPRECATED, None)
        known = {v.digest: v for v in self.tracker.versions()}
        if withdrawn := known.get(intent.before):
            self.tracker.tag(withdrawn, DEPRECATED, intent.reason or f"for {version.version}")
        keep_previous(self.project, self.tracker)
        self.progress.log(f"{version.version} is the champion")
        found, failed = [], []
        for name in deployed_on(self.entries):
            try:
                found.append(self._bring(name, version.digest))
            except MlopsError as e:
                failed.append(f"{name}: {e.message}")
        if failed:
            raise EnvironmentFault(
                f"{version.version} is the champion again, and was not brought to "
                + "; ".join(failed),
                hint="the same command finishes it: mlops rollback"
                f" --to {version.version}; a target that is gone: mlops deploy --stop",
            )
        return RollbackResult(version.digest, version.version, intent.before, tuple(found))

    def _bring(self, name: str, digest: str) -> DeployResult:
        place = where_it_runs(self.project, open_target(name, self.project), name)
        work = work_of(self.project, place, name, self.progress)
        if work is not None:
            end_rollout(work, f"rolled back to {short(digest)}")
        running = place.status()
        there = running is not None and running.healthy and running.digest == digest
        if running is not None and there and name not in self._left(digest):
            return DeployResult(name, running.url, running.digest, short(running.digest))
        release = release_of(self.project, self.tracker, digest)
        return bring(self.project, release, name, place, progress=self.progress)
