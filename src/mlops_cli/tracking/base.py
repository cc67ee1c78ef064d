"""The port of a tracking server and model registry, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle

Value = bool | int | float | str | None
TrialState = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one piece of work did; a metric that is NaN or infinite is left out.

    `seconds` is how long it took, where that is known.
    """

    name: str
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial of a search; `seconds` is how long it took, where that is known."""

    number: int
    state: TrialState
    params: Mapping[str, Value]
    metrics: Mapping[str, float]
    seconds: float | None = None


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

    def log_run(self, run: RunRecord) -> str:
        """Record a finished run and return its id."""

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

    def champion(self) -> ModelVersion | None:
        """The version that stands for the project now."""

    def make_champion(self, version: ModelVersion) -> None:
        """Move the alias `champion` to `version`."""

    def fetch(self, digest: str) -> Path:
        """The verified bundle of a version, as a folder under `.mlops/bundles/`.

        Fetched once; a copy that no longer is what its manifest says is fetched again. Raises
        `UsageError` for a digest that the registry does not know, `BundleError` where the
        registry's own files are not what the digest names.
        """
