"""A large segment's lines by the engine: five times as fast, and of what it is not sure of, none.

What `segment_files` would refuse, or read otherwise, is left to it: it reads the file again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.errors import MlopsError
from mlops_cli.monitoring.collected.recorded import PREDICTION_SCHEMA, SEGMENT
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal

LARGE = 8 * 1024 * 1024  # bytes of a file below which it costs more to start the engine
_JSON = ("id", "inputs", "prediction")  # parts that stay as they came
_NEEDED = ("time", "request_id", "row", "model", "version", "inputs", "ms")
_NAMES = [name for name in PREDICTION_SCHEMA.names if name != SEGMENT]
_ROWS = 65_536  # of a table's parts
_SHORTEST = len("2026-03-01T10:00:00Z")
_PATTERN = set("*?[]{}")  # of a path that the engine takes for several
# What is no JSON, and the engine lets pass: it is kept as it came, between the same signs.
_NO_NUMBER = r"[:\[,]-?(?:[nN][aA]|[iI][nN])"
_DEEP = 500  # levels, which a reader of JSON may refuse; each has two signs


class _Unsure(Exception):
    """A value is none, or one on which the engine and the strict reader may differ."""


def read_lines(file: Path, latest: datetime) -> list[pa.RecordBatch] | None:
    """The predictions of a file, in the columns of the log but for `segment`, in order.

    A field that is not there, or null, is null. None where a line is none, or may be none, or its
    time is after `latest`.
    """
    if _PATTERN & set(str(file)):
        return None
    # Each field as its JSON: read as a text, a number would pass for one.
    kinds = ", ".join(f"{literal(name)}: 'JSON'" for name in _NAMES)
    cells = ", ".join(f"{name}::varchar as {name}" for name in _NAMES)
    source = (
        f"read_json({literal(str(file))}, format = 'newline_delimited', compression = 'none', "
        f"columns = {{{kinds}}})"
    )
    last = pa.scalar(latest.astimezone(UTC).replace(tzinfo=None), pa.timestamp("us"))
    try:
        with open_engine() as engine:
            sql = f"select {cells} from {source}"
            return [_typed(batch, last) for batch in engine.batches(sql, rows=_ROWS)]
    except (MlopsError, OSError, pa.ArrowInvalid, _Unsure):  # by the stream, it is an OSError
        return None


def _typed(batch: pa.RecordBatch, latest: pa.Scalar) -> pa.RecordBatch:
    cells = dict(zip(_NAMES, batch.columns, strict=True))
    if any(cells[name].null_count for name in _NEEDED):
        raise _Unsure
    failed = pc.and_(pc.is_null(cells["prediction"]), pc.is_null(cells["error"]))
    if pc.any(failed).as_py():
        raise _Unsure  # null, or not there at all
    columns = [_column(name, cells[name], PREDICTION_SCHEMA.field(name).type) for name in _NAMES]
    _refuse_any(pc.greater(columns[0], latest))
    return pa.RecordBatch.from_arrays(columns, names=_NAMES)


def _column(name: str, column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    if name in _JSON:
        _refuse_any(pc.match_substring_regex(column, _NO_NUMBER))
        long = column.filter(pc.greater(pc.binary_length(column), 2 * _DEEP))
        opened = pc.add(pc.count_substring(long, "["), pc.count_substring(long, "{"))
        _refuse_any(pc.greater(opened, _DEEP))
        return column
    if name == "time":
        texts = _text(column)
        _refuse_any(pc.less(pc.binary_length(texts), _SHORTEST))
        return pc.cast(pc.cast(texts, pa.timestamp("us", "UTC")), pa.int64()).cast(kind)
    if pa.types.is_string(kind):
        return _text(column)
    numbers = pc.cast(column, kind)
    if pa.types.is_integer(kind):
        _refuse_any(pc.less(numbers, 0))
    else:
        _refuse_any(pc.invert(pc.is_finite(numbers)))
    return numbers


def _text(column: pa.Array) -> pa.Array:
    """JSON's texts as they are meant; those with escapes are left to the strict reader."""
    _refuse_any(pc.invert(pc.starts_with(column, '"')))
    content = np.frombuffer(column.buffers()[2], np.uint8)  # at once: a search row by row is slow
    if (content == ord("\\")).any():
        raise _Unsure
    return pc.ascii_trim(column, '"')


def _refuse_any(found: pa.Array) -> None:
    if pc.any(found).as_py():
        raise _Unsure
