"""Segments of a log, ours or in the same form from another server, to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.errors import DataError
from mlops_cli.monitoring.collected.recorded import LABEL_SCHEMA, PREDICTION_SCHEMA, SEGMENT
from mlops_cli.monitoring.collected.segment_lines import LARGE, read_lines
from mlops_cli.serving.segments import LABELS, PREDICTIONS, kind_of

_AHEAD = timedelta(days=1)  # a clock may be wrong, but a later day would push out all others
_ROWS = 65_536  # of a table's parts
_DEFAULTS = {"id": "{}", "variant": "champion"}  # of a prediction that does not tell

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Row = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _Prediction(msgspec.Struct, gc=False):
    time: Moment
    request_id: str
    row: Row
    model: str
    version: str
    inputs: msgspec.Raw
    prediction: msgspec.Raw
    ms: float
    id: msgspec.Raw = msgspec.Raw(b"null")
    variant: str | None = None
    key: str | None = None
    features: str | None = None
    error: str | None = None
    rollout: str | None = None
    step: Row | None = None
    arm: str | None = None


class _Label(msgspec.Struct, gc=False):
    time: Moment
    request_id: str
    label: str
    received: Moment
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The rows of a segment, and the number of its lines that could not be read."""

    kind: str
    rows: pa.Table
    unreadable: int


def read_segment(file: Path, *, strict: bool = False) -> Content:
    """The rows of one segment, with its name in each; a torn last line is none.

    With `strict`, for a file that a user names, a line that cannot be read raises `DataError`
    naming file and line; else it is counted.
    """
    kind = kind_of(file.name) or PREDICTIONS
    latest = datetime.now(UTC) + _AHEAD
    if kind == PREDICTIONS and file.stat().st_size >= LARGE:
        batches = read_lines(file, latest)
        if batches is not None:
            return Content(kind, _table(batches, PREDICTION_SCHEMA, file), 0)
    reader = _Reader(file, kind, strict, latest)
    rows = _table(reader.batches(), reader.schema, file)
    return Content(kind, rows, reader.unreadable)


def _table(batches: Iterable[pa.RecordBatch], schema: pa.Schema, file: Path) -> pa.Table:
    """The rows with their segment's name, and what stands for what was not written."""
    columns = schema.remove(schema.get_field_index(SEGMENT))
    table = pa.Table.from_batches(batches, columns)
    for i, name in enumerate(columns.names):
        if name in _DEFAULTS and schema is PREDICTION_SCHEMA and table[name].null_count:
            table = table.set_column(i, name, pc.fill_null(table[name], _DEFAULTS[name]))
    return table.append_column(schema.field(SEGMENT), pa.repeat(file.stem, table.num_rows))


class _Reader:
    def __init__(self, file: Path, kind: str, strict: bool, latest: datetime) -> None:
        self.schema = LABEL_SCHEMA if kind == LABELS else PREDICTION_SCHEMA
        self.unreadable = 0
        self._file = file
        self._strict = strict
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(
            _Label if kind == LABELS else _Prediction
        ).decode
        self._latest = latest

    def batches(self) -> Iterator[pa.RecordBatch]:
        rows: list[Any] = []
        with self._file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if (row := self._row(line, number)) is not None:
                    rows.append(row)
                if len(rows) >= _ROWS:
                    yield self._batch(rows)
                    rows = []
        if rows:
            yield self._batch(rows)

    def _row(self, line: bytes, number: int) -> Any:
        try:
            row = self._decode(line)
            if row.time > self._latest:
                raise msgspec.ValidationError(f"its time, {row.time.isoformat()}, is to come")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            if not line.strip() or (not line.endswith(b"\n") and not _is_whole(line)):
                return None
            if self._strict:
                raise DataError(
                    f"{self._file}, line {number}: {str(e)[:300]}",
                    hint="a line is a JSON object with time, request_id, row, model, version, "
                    "inputs, prediction and ms: docs/guides/prediction-log.md",
                ) from e
            self.unreadable += 1
            return None
        return row

    def _batch(self, rows: list[Any]) -> pa.RecordBatch:
        arrays = [
            pa.array([_plain(getattr(row, field.name, None)) for row in rows], field.type)
            for field in self.schema
            if field.name != SEGMENT
        ]
        return pa.RecordBatch.from_arrays(arrays, self.schema.names[: len(arrays)])


def _plain(value: Any) -> Any:
    """A moment as naive UTC, a part that stays JSON as text, and JSON's null as none."""
    if type(value) is datetime:  # by ourselves: whether Arrow takes the offset off, varies
        return value.astimezone(UTC).replace(tzinfo=None)
    if type(value) is not msgspec.Raw:
        return value
    text = bytes(value).decode()
    return None if text == "null" else text


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
