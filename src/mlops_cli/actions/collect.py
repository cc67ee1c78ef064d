"""The command `collect`: what a deployment has logged, brought home, each segment once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa

from mlops_cli._locks import locked
from mlops_cli.config.paths import PREDICTIONS
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.monitoring.collected.recorded import (
    COLLECTING,
    FULL,
    Recorded,
    in_batches,
    keep_last,
    oldest_kept,
    recorded_labels,
    recorded_predictions,
)
from mlops_cli.monitoring.collected.segment_files import Content, read_segment
from mlops_cli.progress import QUIET, Progress
from mlops_cli.serving import segments
from mlops_cli.serving.logs import open_store
from mlops_cli.serving.uploader import Store
from mlops_cli.targets import open_target
from mlops_cli.targets.base import KeepsLog

_WAIT = 60.0  # seconds for another collect to end


@dataclass(frozen=True, slots=True)
class CollectResult:
    """What came: `rows` of predictions and `labels` that were not there, of `segments` that were
    looked at; `unreadable` lines were left out. `dropped` are the days that lay further back than
    `monitor.keep`. `target` is None where files were named."""

    target: str | None
    folder: str
    segments: int
    rows: int
    labels: int
    unreadable: int
    dropped: tuple[date, ...]


def collect(
    project: Project,
    *,
    target: str | None = None,
    files: Sequence[Path] = (),
    closing: bool = False,
    progress: Progress = QUIET,
) -> CollectResult:
    """Bring the closed segments of the deployment on `target` into `monitoring/`, or `files`.

    Each segment counts once, by its name; a kill at any moment leaves nothing twice and nothing
    lost. With `closing` what is open is closed first; without, what the server has uploaded to
    `serve.log.to` comes, too, and stays there. Raises `DataError` naming file and line of
    `files` that are no segments, with nothing written, and `EnvironmentFault` where the target
    does not give them.
    """
    taken = EnvironmentFault("another collect of this project is going on", hint="wait for it")
    with locked(project.cache / COLLECTING, otherwise=taken, seconds=_WAIT):
        work = _Work(project, progress)
        if files:
            work.take_named(files)
            return work.result(None)
        name = target or project.config.deploy.target
        place = open_target(name, project)
        if not isinstance(place, KeepsLog):
            raise UsageError(f"the target {name} keeps no prediction log")
        place.collect(work.take, closing=closing)
        log = project.config.serve.log
        if log is not None and log.to is not None and not closing:  # nobody removes those
            work.take_stored(open_store(log.to))
        return work.result(name)


def collect_what_is_there(
    project: Project, target: str | None, progress: Progress
) -> tuple[int, tuple[str, ...]]:
    """How many rows came from the target; one that is not there, or keeps no log, is told of."""
    name = target or project.config.deploy.target
    if not isinstance(open_target(name, project), KeepsLog):
        return 0, (f"the target {name} keeps no prediction log: what is here is judged",)
    try:
        return collect(project, target=name, progress=progress).rows, ()
    except EnvironmentFault as e:
        return 0, (f"nothing was collected from {name}: {e.message}",)


class _Work:
    def __init__(self, project: Project, progress: Progress) -> None:
        self._project = project
        self._progress = progress
        self._stores = {
            segments.PREDICTIONS: recorded_predictions(project.root),
            segments.LABELS: recorded_labels(project.root),
        }
        self._added = dict.fromkeys(self._stores, 0)
        self._seen = 0
        self._unreadable = 0

    def take_named(self, files: Sequence[Path]) -> None:
        """Store the rows of files that a user names; all are read before anything is written."""
        try:
            batches = [*in_batches({file: file.stat().st_size for file in files}, FULL)]
            if len(batches) > 1:  # one is whole in memory before its first row is stored
                for file in files:
                    read_segment(file, strict=True)
            for batch in batches:
                self._store([read_segment(file, strict=True) for file in batch])
        except OSError as e:
            if e.filename is None or Path(e.filename) not in files:
                raise
            raise DataError(f"{e.filename} cannot be read: {e.strerror or e}") from e

    def take(self, files: Sequence[Path]) -> None:
        """Store the rows of these segments; when it returns they are on disk."""
        sizes = {file: file.stat().st_size for file in files if file.exists()}
        for batch in in_batches(sizes, FULL):
            self._store([*_read(batch)])

    def _store(self, contents: Sequence[Content]) -> None:
        for kind, store in self._stores.items():
            self._added[kind] += _add(store, [c for c in contents if c.kind == kind])
        self._seen += len(contents)
        self._unreadable += sum(content.unreadable for content in contents)
        self._progress.update("collecting segments", done=self._seen)

    def take_stored(self, stored: Store) -> None:
        """Store the rows of uploaded segments that are not here yet, nor too old to stay."""
        sizes = {Path(n): size for n, size in stored.sizes().items() if self._is_wanted(n)}
        for batch in in_batches(sizes, FULL):
            with tempfile.TemporaryDirectory() as folder:
                files = [Path(folder) / name for name in batch]
                for file in files:
                    stored.get(file.name, file)
                self.take(files)

    def _is_wanted(self, name: str) -> bool:
        kind, began = segments.kind_of(name), segments.day_of(name)
        if kind is None or began is None or "/" in name:
            return False
        oldest = oldest_kept([*self._stores.values()], self._project.config.monitor.keep)
        late = oldest is not None and began < oldest
        return not late and not self._stores[kind].holds(Path(name).stem)

    def result(self, target: str | None) -> CollectResult:
        """What came of it; old days are dropped."""
        dropped = keep_last([*self._stores.values()], self._project.config.monitor.keep)
        return CollectResult(
            target=target,
            folder=PREDICTIONS,
            segments=self._seen,
            rows=self._added[segments.PREDICTIONS],
            labels=self._added[segments.LABELS],
            unreadable=self._unreadable,
            dropped=tuple(dropped),
        )


def _read(files: Sequence[Path]) -> Iterator[Content]:
    for file in files:
        # A log that is full drops its oldest segment, also while we look.
        with suppress(FileNotFoundError):
            yield read_segment(file)


def _add(store: Recorded, contents: Sequence[Content]) -> int:
    return store.add(pa.concat_tables([c.rows for c in contents])) if contents else 0
