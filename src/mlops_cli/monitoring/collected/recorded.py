"""What was predicted, and what came of it, as Parquet in a folder for each day (UTC)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops_cli._files import naming, scratch_beside, sync
from mlops_cli.config.paths import LABELS, PREDICTIONS
from mlops_cli.tables.base import literal

FULL = 64 * 1024 * 1024  # bytes of a file from which on a day's rows go to another one
COLLECTING = "collect.lock"  # in the project's cache: one process at a time adds to the folders
SEGMENT = "segment"  # the column that names the segment a row came in
BY_NAME = "union_by_name = true"  # files of an earlier release have fewer columns
_DAY = "date="
_GROUP = 131_072  # rows that one core reads at a time
_OWN = frozenset({"request_id", "inputs", "features", "prediction"})  # each row has another one
_TEXT, _MOMENT = pa.string(), pa.timestamp("us")
# Moments are in UTC, without a zone: DuckDB's Python reads those alone without a further package.
PREDICTION_SCHEMA = pa.schema(
    [
        ("time", _MOMENT),
        ("request_id", _TEXT),
        ("row", pa.int32()),
        ("id", _TEXT),  # this, inputs and prediction are JSON: versions differ in what they hold
        ("model", _TEXT),
        ("version", _TEXT),
        ("variant", _TEXT),
        ("key", _TEXT),
        ("inputs", _TEXT),
        ("features", _TEXT),
        ("prediction", _TEXT),
        ("ms", pa.float64()),
        ("error", _TEXT),
        ("rollout", _TEXT),  # this, step and arm: where a rollout counts the row, if one does
        ("step", pa.int32()),
        ("arm", _TEXT),
        (SEGMENT, _TEXT),
    ]
)
LABEL_SCHEMA = pa.schema(
    [
        ("time", _MOMENT),
        ("request_id", _TEXT),
        ("row", pa.int32()),
        ("id", _TEXT),
        ("label", _TEXT),
        ("received", _MOMENT),
        (SEGMENT, _TEXT),
    ]
)


@dataclass(slots=True)
class Recorded:
    """Rows by day, of one kind, below `folder`.

    A segment's rows of a day are there all or not at all, and once: `add` may be killed at any
    moment and called again with the same.
    """

    folder: Path
    schema: pa.Schema
    _known: dict[date, set[str]] = field(default_factory=dict)

    def add(self, rows: pa.Table) -> int:
        """Add rows of whole segments (with their names), but for what is there; returns how many.

        A row stands under the day of its `time`.
        """
        added = 0
        days = pc.cast(rows["time"], pa.date32())
        for day in pc.unique(days).to_pylist():
            known = self._segments(day)
            of_day = _where(rows, pc.equal(days, pa.scalar(day)))
            there = pc.is_in(of_day[SEGMENT], pa.array(list(known), _TEXT))
            new = _where(of_day, pc.invert(there))
            if new.num_rows:
                self._append(day, [new])
                known.update(pc.unique(new[SEGMENT]).to_pylist())
                added += new.num_rows
        return added

    def add_segment(self, segment: str, day: date, rows: Iterable[pa.RecordBatch]) -> int:
        """Add a segment's rows of a day, in bounded memory, where there is none; how many."""
        if segment in self._segments(day):
            return 0
        added = self._append(day, (pa.Table.from_batches([batch]) for batch in rows))
        self._known[day].add(segment)
        return added

    def days(self) -> list[date]:
        """The days of which there are rows, in order."""
        found = {file.parent.name for file in self.folder.glob(f"{_DAY}*/*.parquet")}
        return sorted(date.fromisoformat(name.removeprefix(_DAY)) for name in found)

    def holds(self, segment: str) -> bool:
        """Whether there are rows of a segment on any day."""
        return any(segment in self._segments(day) for day in self.days())

    def relation(self) -> str:
        """All rows, as SQL that stands in a FROM clause; there must be some."""
        files = literal(f"{self.folder}/{_DAY}*/*.parquet")
        return f"read_parquet({files}, {BY_NAME})"

    def files(self, days: Iterable[date]) -> list[Path]:
        """The files of these days, in order; of a day without rows none."""
        return [file for day in days for file in self._files(day)]

    def drop_before(self, first: date) -> list[date]:
        """Remove the days before `first`; returns them."""
        gone = [day for day in self.days() if day < first]
        for day in gone:
            shutil.rmtree(self._day(day))
        return gone

    def _day(self, day: date) -> Path:
        return self.folder / f"{_DAY}{day.isoformat()}"

    def _files(self, day: date) -> list[Path]:
        return sorted(self._day(day).glob("*.parquet"))

    def _segments(self, day: date) -> set[str]:
        if day not in self._known:
            self._known[day] = {s for file in self._files(day) for s in _segments_in(file)}
        return self._known[day]

    def _append(self, day: date, rows: Iterable[pa.Table]) -> int:
        """Add to the day's last file, or begin the next: in any case one file changes, at once."""
        files = self._files(day)
        if files and files[-1].stat().st_size < FULL:
            file = files[-1]
            there = int(pq.read_metadata(file).num_rows)
            return self._write(chain(_parts_of(file), rows), file) - there
        return self._write(rows, self._day(day) / f"{len(files) + 1:04d}.parquet")

    def _write(self, rows: Iterable[pa.Table], file: Path) -> int:
        written = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        few = [n for n in self.schema.names if n not in _OWN]
        with scratch_beside(self.folder / "writing") as temporary:  # no reader of the days meets it
            with (
                naming(file),
                pq.ParquetWriter(
                    temporary, self.schema, compression="zstd", use_dictionary=few
                ) as writer,
            ):
                for part in _in_groups(rows, self.schema):
                    writer.write_table(part, _GROUP)
                    written += part.num_rows
            sync(temporary)
            file.parent.mkdir(exist_ok=True)  # not before: a day without a file is none
            temporary.replace(file)
            sync(file.parent)  # what is removed after this is here for good
        return written


def _segments_in(file: Path) -> Iterator[str]:
    with pq.ParquetFile(file, read_dictionary=[SEGMENT]) as parquet:
        for batch in parquet.iter_batches(columns=[SEGMENT]):
            yield from pc.unique(batch[SEGMENT]).dictionary.to_pylist()


def _parts_of(file: Path) -> Iterator[pa.Table]:
    with pq.ParquetFile(file) as parquet:
        for i in range(parquet.num_row_groups):
            yield parquet.read_row_group(i)


def _in_groups(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of whole groups, but for the last; what a table lacks is null."""
    held = schema.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table], promote_options="default").select(schema.names)
        whole = held.num_rows - held.num_rows % _GROUP
        if whole:
            yield held.slice(0, whole)
            held = held.slice(whole)
    if held.num_rows:
        yield held


def _where(rows: pa.Table, chosen: pa.ChunkedArray) -> pa.Table:
    """The rows that are chosen; to copy all of them takes as long as to read a segment."""
    return rows if pc.all(chosen).as_py() else rows.filter(chosen)


def recorded_predictions(root: Path) -> Recorded:
    """The rows of the prediction logs that a project has collected."""
    return Recorded(root / PREDICTIONS, PREDICTION_SCHEMA)


def recorded_labels(root: Path) -> Recorded:
    """The labels that a project has collected."""
    return Recorded(root / LABELS, LABEL_SCHEMA)


def keep_last(stores: Sequence[Recorded], keep: timedelta) -> list[date]:
    """Remove the days before `oldest_kept` from all stores; returns them."""
    first = oldest_kept(stores, keep)
    if first is None:
        return []
    return sorted({day for store in stores for day in store.drop_before(first)})


def oldest_kept(stores: Sequence[Recorded], keep: timedelta) -> date | None:
    """The first day that `keep_last` leaves; None where there is no row.

    It lies `keep` back from the newest day of the first store: who replays last year loses nothing.
    A day to come, of a clock that is ahead, is not that one; nor is a day that would leave no other
    behind, as where this machine's own clock is ahead: then it is the one before.
    """
    today = datetime.now(UTC).date()
    days = [day for day in stores[0].days() if day <= today]
    if not days:
        return None
    alone = len(days) > 1 and days[-2] < days[-1] - keep
    return days[-2 if alone else -1] - keep


def in_batches(sizes: Mapping[Path, int], most: int) -> Iterator[list[Path]]:
    """The files in groups of at most `most` bytes, or of one."""
    batch: list[Path] = []
    total = 0
    for path, size in sizes.items():
        if batch and total + size > most:
            yield batch
            batch, total = [], 0
        batch.append(path)
        total += size
    if batch:
        yield batch
