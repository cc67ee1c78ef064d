"""The collected log, a window at a time: what was asked in it, counted and read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq

from mlops_cli.monitoring.collected.recorded import (
    BY_NAME,
    SEGMENT,
    recorded_labels,
    recorded_predictions,
)
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.monitoring.windows.records import Answered
from mlops_cli.tables.base import Engine, literal

SHADOW = "shadow"  # who is asked, too, and never answers


@dataclass(frozen=True, slots=True)
class Census:
    """Who answered how many rows of a window, of how many requests, and the fingerprint of them.

    A segment of the log comes whole or not at all, so that names and numbers tell whether the rows
    are the same.
    """

    versions: tuple[Answered, ...]
    requests: int
    fingerprint: str

    @property
    def rows(self) -> int:
        """The rows that were answered (or failed); a shadow's are none."""
        return sum(a.rows for a in self.versions if a.variant != SHADOW)

    @property
    def version(self) -> str:
        """The version that answered most rows; empty where none did."""
        rows: dict[str, int] = {}
        for a in self.versions:
            if a.variant != SHADOW:
                rows[a.version] = rows.get(a.version, 0) + a.rows
        return max(rows, key=lambda v: (rows[v], v), default="")


@dataclass(frozen=True, slots=True)
class Selection:
    """SQL of some rows; it stands in a FROM clause."""

    sql: str

    def relation(self) -> str:
        """See `labelled.Rows`."""
        return self.sql


class Traffic:
    """The predictions and labels that a project has collected, by an engine."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self._engine = engine
        self._predictions = recorded_predictions(root)
        self._labels = recorded_labels(root)
        self._censuses: dict[Stretch, Census] = {}

    def extent(self) -> Stretch | None:
        """From the first to the last prediction; None where there is none."""
        days = self._predictions.days()
        if not days:
            return None
        files = self._predictions.files((days[0], days[-1]))
        moments = [moment for file in files for moment in _bounds(file)]
        if not moments:  # every row was erased
            return None
        return Stretch(*(moment.replace(tzinfo=UTC) for moment in (min(moments), max(moments))))

    def predictions(self, window: Stretch) -> Selection | None:
        """The rows of a window, also a shadow's; None where no day of it has any."""
        files = self._predictions.files(window.days())
        if not files:
            return None
        within = f"time >= {_moment(window.start)} and time < {_moment(window.end)}"
        return Selection(f"(select * from {_read(files)} where {within})")

    def labels_for(self, rows: Selection, drawn: str | None = None) -> Selection | None:
        """The labels that may go to these rows; None where there is no label at all.

        `drawn` is SQL of `request_id` alone, where that tells which rows they are.
        """
        files = self._labels.files(self._labels.days())
        if not files:
            return None
        asked = drawn or f"request_id in (select request_id from {rows.sql})"
        asked = f"request_id is null or {asked}"
        return Selection(f"(select * from {_read(files)} where {asked})")

    def label_files(self) -> dict[str, Path]:
        """Each file of labels, by a text that is another one when labels were added to it."""
        files = self._labels.files(self._labels.days())
        return {digest_of(f.parent.name, f.name, s.st_size, s.st_mtime_ns): f
                for f in files if (s := f.stat())}  # fmt: skip

    def labels_in(self, files: Sequence[Path]) -> Selection:
        """All labels of some files, of which there must be one."""
        return Selection(_read(files))

    def versions(self, windows: Iterable[Stretch]) -> list[str]:
        """Who answered in these windows, in order; a shadow never does."""
        answered = (a for window in windows for a in self.census(window).versions)
        return sorted({a.version for a in answered if a.variant != SHADOW})

    def days(self) -> list[date]:
        """The days (UTC) of which there are predictions, in order."""
        return self._predictions.days()

    def census(self, window: Stretch) -> Census:
        """Count a window's rows, once; nothing of their content is read."""
        if window not in self._censuses:
            self._censuses[window] = self._counted(window)
        return self._censuses[window]

    def _counted(self, window: Stretch) -> Census:
        rows = self.predictions(window)
        if rows is None:
            return Census((), 0, digest_of())
        found = self._engine.rows(
            f"select version, variant, {SEGMENT}, count(*), count(*) filter (row = 0) "
            f"from {rows.sql} group by all order by all"
        )
        of: dict[tuple[str, str], int] = {}
        for version, variant, _, n, _ in found:
            of[version, variant] = of.get((version, variant), 0) + n
        versions = (Answered(version=v, variant=k, rows=n) for (v, k), n in of.items())
        requests = sum(r for _, variant, _, _, r in found if variant != SHADOW)
        return Census(tuple(versions), requests, digest_of(*found))


def digest_of(*parts: object) -> str:
    """A short digest of some values, in their order."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], {BY_NAME})"


def _bounds(file: Path) -> Iterator[datetime]:
    """The first and the last time of each part of a file, by what the file says of itself."""
    with pq.ParquetFile(file) as parquet:
        at, told = parquet.schema_arrow.get_field_index("time"), parquet.metadata
        for i in range(told.num_row_groups):
            found = told.row_group(i).column(at).statistics
            yield from (found.min, found.max)


def _moment(moment: datetime) -> str:
    return f"timestamp '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"
