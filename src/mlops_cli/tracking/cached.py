"""The tracker that commands open: answers from what is known, and loads MLflow for the rest.

MLflow takes 2 s to import, more than everything else that `mlops status` or `mlops score` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from mlops_cli.bundle.reader import Bundle
from mlops_cli.redaction import redact
from mlops_cli.tracking.address import sqlite_file
from mlops_cli.tracking.base import ModelVersion, RunRecord, Tracker, TrialRecord
from mlops_cli.tracking.cache import (
    alias_file,
    bundle_folder,
    holds,
    keep_alias,
    kept_alias,
    state_of,
)


class CachedTracker:
    """`Tracker` in front of another one, which `load` opens when it is needed."""

    def __init__(self, root: Path, uri: str, model: str, load: Callable[[], Tracker]) -> None:
        self._root = root
        self._model = model
        self._load = load
        self._database = sqlite_file(uri)
        self.address = redact(uri)

    @cached_property
    def _tracker(self) -> Tracker:
        return self._load()

    @property
    def _never_used(self) -> bool:
        return self._database is not None and not self._database.exists()

    def prepare(self) -> None:
        """See `Tracker.prepare`."""
        self._tracker.prepare()

    def log_run(self, run: RunRecord) -> str:
        """See `Tracker.log_run`."""
        return self._tracker.log_run(run)

    def run(self, run_id: str) -> RunRecord | None:
        """See `Tracker.run`."""
        return None if self._never_used else self._tracker.run(run_id)

    def log_trials(self, parent: RunRecord, trials: Sequence[TrialRecord]) -> str:
        """See `Tracker.log_trials`."""
        return self._tracker.log_trials(parent, trials)

    def register(
        self,
        bundle: Bundle,
        *,
        run_id: str | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """See `Tracker.register`."""
        return self._tracker.register(bundle, run_id=run_id, metrics=metrics, tags=tags)

    def versions(self) -> list[ModelVersion]:
        """See `Tracker.versions`."""
        return [] if self._never_used else self._tracker.versions()

    def alias(self, name: str) -> ModelVersion | None:
        """See `Tracker.alias`; a SQLite file that has not changed is not read again."""
        if self._never_used:
            return None
        # The state is taken before the question: a change in between is a miss next time.
        state = state_of(self._database) if self._database is not None else None
        file = alias_file(self._root, self._model, name)
        known, version = kept_alias(file, state)
        if known:
            return version
        version = self._tracker.alias(name)
        if state is not None:
            keep_alias(file, state, version)
        return version

    def set_alias(self, name: str, version: ModelVersion, *, expected: ModelVersion | None) -> None:
        """See `Tracker.set_alias`."""
        self._tracker.set_alias(name, version, expected=expected)
        self.alias(name)  # so that the next command knows it without asking

    def tag(self, version: ModelVersion, name: str, value: str | None) -> None:
        """See `Tracker.tag`."""
        self._tracker.tag(version, name, value)

    def audit_lines(self) -> Mapping[str, str] | None:
        """See `Tracker.audit_lines`."""
        return None if self._never_used else self._tracker.audit_lines()

    def keep_audit_line(self, entry: str, line: str) -> None:
        """See `Tracker.keep_audit_line`."""
        if not self._never_used:
            self._tracker.keep_audit_line(entry, line)

    def fetch(self, digest: str) -> Path:
        """See `Tracker.fetch`."""
        path = bundle_folder(self._root, digest)
        return path if holds(path, digest) else self._tracker.fetch(digest)

    def bury(self, version: ModelVersion, why: str) -> None:
        """See `Tracker.bury`."""
        self._tracker.bury(version, why)
