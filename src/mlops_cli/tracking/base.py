"""The port of a tracking server and model registry, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import EnvironmentFault

PYTHON_FEATURES = "mlops.python_features"  # a version's tag: the files of code that it runs
CHAMPION = "champion"  # the alias of the version that stands for the project
CANDIDATE = "candidate"  # of the one that waits for approval
PREVIOUS = "previous"  # of the one that a rollback would take
DEPRECATED = "deprecated"  # a version's tag: why it was taken back
WITHDRAWN = "withdrawn"  # a version's tag: it may not be used any more
TOMBSTONE = "tombstone"  # a version's tag: why its files were deleted
Value = bool | int | float | str | None
Role = Literal["training", "validation", "holdout"]
TrialState = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """Rows that a run read: `role` is what for, `digest` names their file's content.

    `columns` are the features, each with whether it is a number (else a category).
    """

    name: str
    role: Role
    digest: str
    source: str
    rows: int
    columns: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one piece of work did; a metric that is NaN or infinite is left out.

    `seconds` is how long it took until it is logged, where that is known; `files` are texts by the
    path that they get among the run's artifacts.
    """

    name: str
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None
    datasets: Sequence[DatasetRecord] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial of a search: when it began and ended (seconds since 1970), where that is known.

    `reason` is why it failed.
    """

    number: int
    state: TrialState
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    began: float | None = None
    ended: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered model: `digest` (64 hex digits) is its name, `number` the registry's own."""

    digest: str
    number: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The digest's first 12 characters, which name the version everywhere."""
        return short(self.digest)


class AliasMoved(EnvironmentFault):
    """An alias names another version than expected: somebody moved it meanwhile."""


class Tracker(Protocol):
    """Runs, and versions of the project's one model.

    Every method raises `EnvironmentFault`, naming `address`, in bounded time where the server
    does not answer, refuses, or its database is locked. A version is found again by its digest:
    `register` from many processes makes one version a digest. Reading never creates anything:
    where nothing was ever written, there are no versions and no champion.
    """

    @property
    def address(self) -> str:
        """Where it is, with any password taken out: fit for a message or a log."""

    def prepare(self) -> None:
        """Reach the store, and make what is missing for the first run: before long work."""

    def log_run(self, run: RunRecord) -> str:
        """Record a finished run and return its id."""

    def run(self, run_id: str) -> RunRecord | None:
        """The run's parameters (as text), metrics and tags; None where there is none of that id."""

    def log_trials(self, parent: RunRecord, trials: Sequence[TrialRecord]) -> str:
        """Record a search: a run for `parent`, a run under it for each trial; the parent's id."""

    def register(
        self,
        bundle: Bundle,
        *,
        run_id: str | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> ModelVersion:
        """Store the bundle as a version, with its files; where its digest is known, that one.

        `run_id` is the run that made it (of a server where it exists no more: left out).
        """

    def versions(self) -> list[ModelVersion]:
        """All versions, the oldest first."""

    def alias(self, name: str) -> ModelVersion | None:
        """The version that the alias names, such as `CHAMPION`; None where it names none."""

    def set_alias(self, name: str, version: ModelVersion, *, expected: ModelVersion | None) -> None:
        """Move the alias to `version`, as long as it names that one or `expected` (None: nobody).

        Raises `AliasMoved`, with nothing changed, where it names another one. Where a registry has
        no compare-and-set, as MLflow has none, it looks before and after: of two that move it
        within the same milliseconds the last one wins, and neither may be told.
        """

    def tag(self, version: ModelVersion, name: str, value: str | None) -> None:
        """Set a tag of a version; None takes it away."""

    def audit_lines(self) -> Mapping[str, str] | None:
        """The lines of the audit log that are kept here, by id; None without any version."""

    def keep_audit_line(self, entry: str, line: str) -> None:
        """Keep a line of the audit log, whole; without any version there is no place for it."""

    def fetch(self, digest: str) -> Path:
        """The verified bundle of a version, as a folder under `.mlops/bundles/`.

        Fetched once; a copy that no longer is what its manifest says is fetched again. Raises
        `UsageError` for a digest that the registry does not know and for a tombstone,
        `BundleError` where the registry's own files are not what the digest names.
        """

    def bury(self, version: ModelVersion, why: str) -> None:
        """Delete the files of a version, which stays as a tombstone: no use of it is left.

        It is tagged before its files go, so that what was killed half-way is seen; doing it again
        ends it. A copy in `.mlops/` is the caller's.
        """
