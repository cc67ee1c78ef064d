"""A user's table of labels, whole or not at all: by the request's id, or by `data.id`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlops_cli._files import naming, sha256_of
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.monitoring.collected.recorded import LABEL_SCHEMA, SEGMENT, Recorded
from mlops_cli.serving.labels import AHEAD, MOST_ROWS, label_text
from mlops_cli.tables.base import OWN, ROW, SOURCE, ColumnForm, Engine, literal, quote

REQUEST, LABEL, PLACE, TIME = "request_id", "label", "row", "time"
_ID = "id"
_NAMED = f"{OWN}named"
_ROWS = 131_072
_HINT = "docs/guides/prediction-log.md has the columns"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labels of a file, as they are kept, in the Parquet file `read`.

    `keys` are the columns of `data.id` that name the rows, or none; `segment` is what the file is
    called among the segments: by its content, so that it counts once.
    """

    read: Path
    rows: int
    days: frozenset[date]
    keys: tuple[str, ...]
    timed: bool
    segment: str

    def relation(self) -> str:
        """See `labelled.Rows`."""
        return f"read_parquet({literal(str(self.read))})"

    def add_to(self, store: Recorded, engine: Engine) -> int:
        """Add the labels to those that are kept, but for days on which they are; how many.

        What has no time of its own is of the day on which it was added first.
        """
        if not self.timed and store.holds(self.segment):
            return 0
        return sum(
            store.add_segment(self.segment, day, engine.batches(self._of(day)))
            for day in sorted(self.days)
        )

    def _of(self, day: date) -> str:
        ends = (literal(d.isoformat()) for d in (day, day + timedelta(days=1)))
        since, until = (f"timestamp {end}" for end in ends)
        return f"select * from {self.relation()} where time >= {since} and time < {until}"


def read_label_file(
    engine: Engine,
    file: Path,
    ids: Sequence[str],
    model: Manifest,
    *,
    into: Path,
    form: ValueType | ColumnForm = "text",
) -> LabelFile:
    """Read a CSV or Parquet file of labels in their form, to `into`, in bounded memory.

    What has no time is of now. Raises `DataError` naming the column that is missing, or the first
    row (from 1) that holds no label of the model's, no id, or a row or a time that is none.
    """
    names = [column.name for column in engine.columns(file)]
    keys = _keys(file, names, ids)
    forms: dict[str, ValueType | ColumnForm] = dict.fromkeys(keys or (REQUEST,), "text")
    forms[LABEL] = form
    if PLACE in names and not keys:
        forms[PLACE] = "integer"
    if TIME in names:
        forms[TIME] = "timestamp"
    table = engine.typed_with_source(file, forms)
    cells = [quote(n) for name in forms for n in (name, SOURCE + name)]
    if keys:
        named = ", ".join(f"{literal(key)}, {quote(key)}" for key in sorted(keys))
        cells.append(f"json_object({named})::varchar as {quote(_NAMED)}")
    reader = _Reader(file, keys, model)
    with naming(into), pq.ParquetWriter(into, LABEL_SCHEMA, compression="zstd") as writer:
        for batch in engine.batches(f"select {', '.join(cells)}, {ROW} from {table}", rows=_ROWS):
            writer.write_batch(reader.batch(batch))
    return LabelFile(into, reader.rows, frozenset(reader.days), keys, TIME in names, reader.segment)


def _keys(file: Path, names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    if LABEL not in names:
        raise DataError(f"{file} has no column `{LABEL}`", hint=_HINT)
    if REQUEST in names:
        return ()
    if ids and set(ids) <= set(names):
        return tuple(ids)
    wanted = f" nor all of data.id ({', '.join(ids)})" if ids else ""
    raise DataError(f"{file} has no column `{REQUEST}`{wanted}", hint=_HINT)


class _Reader:
    def __init__(self, file: Path, keys: Sequence[str], model: Manifest) -> None:
        self.segment = f"file-{sha256_of(file)[:16]}"
        self.rows = 0
        self.days: set[date] = set()
        self._file = file
        self._keys = keys
        self._model = model
        self._now = datetime.now(UTC)

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The labels of some rows, as they are kept."""
        count = batch.num_rows
        labels = self._labels(batch[LABEL])
        wrong = pc.is_null(labels)
        for at_fault in self._at_fault(batch):
            wrong = pc.or_(wrong, at_fault)
        if pc.any(wrong).as_py():
            (row,) = batch.slice(pc.index(wrong, True).as_py(), 1).to_pylist()
            said = next(self._faults(row))
            raise DataError(f"{self._file}, row {row[ROW] + 1}: {said}", hint=_HINT)
        now = pa.scalar(self._now.replace(tzinfo=None), LABEL_SCHEMA.field(TIME).type)
        time = _column(batch, TIME).fill_null(now)
        self.rows += count
        self.days |= {*pc.unique(time.cast(pa.date32())).to_pylist()}
        found = {
            TIME: time,
            REQUEST: _column(batch, REQUEST),
            PLACE: _column(batch, PLACE),
            _ID: batch[_NAMED] if self._keys else pa.nulls(count, pa.string()),
            LABEL: labels,
            "received": pa.repeat(now, count),
            SEGMENT: pa.repeat(self.segment, count),
        }
        return pa.RecordBatch.from_pydict(found, LABEL_SCHEMA)

    def _labels(self, column: pa.Array) -> pa.Array:
        """Each as it is kept; null for what is none of the model's."""
        coded = column.dictionary_encode()
        texts = [self._text(label) for label in coded.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).take(coded.indices)

    def _text(self, label: object) -> str | None:
        try:
            return label_text(self._model, label)
        except ValueError:
            return None

    def _at_fault(self, batch: pa.RecordBatch) -> Iterator[pa.Array]:
        """Where `_faults` has something to say, beside a label that is none."""
        for name in self._keys or (REQUEST,):
            yield pc.and_(pc.is_null(batch[name]), pc.is_null(batch[SOURCE + name]))
        for name in {PLACE, TIME} & {*batch.schema.names}:
            yield pc.and_(pc.is_null(batch[name]), pc.is_valid(batch[SOURCE + name]))
        if PLACE in batch.schema.names:
            place = batch[PLACE].fill_null(0)
            yield pc.or_(pc.less(place, 0), pc.greater(place, MOST_ROWS))
        if TIME in batch.schema.names:
            latest = pa.scalar((self._now + AHEAD).replace(tzinfo=None), batch[TIME].type)
            yield pc.greater(batch[TIME], latest).fill_null(False)

    def _faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        for name in (LABEL, *(self._keys or (REQUEST,))):
            if row[name] is None and row[SOURCE + name] is None:
                yield f"`{name}` is missing"
        for name in (LABEL, PLACE, TIME):
            if row.get(name) is None and row.get(SOURCE + name) is not None:
                yield f"`{name}` is {str(row[SOURCE + name])[:40]!r}, which is none"
        if (row.get(PLACE) or 0) < 0:
            yield f"`{PLACE}` is less than 0"
        if (row.get(PLACE) or 0) > MOST_ROWS:
            yield f"`{PLACE}` is {row[PLACE]}: no request has so many"
        if row.get(TIME) and row[TIME].replace(tzinfo=UTC) > self._now + AHEAD:
            yield f"`{TIME}` is to come"
        try:
            label_text(self._model, row[LABEL])
        except ValueError as e:
            yield str(e)


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column in the type that it is kept in, of nulls where the file has none."""
    kind = LABEL_SCHEMA.field(name).type
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, kind)
    return batch[name].cast(kind)
