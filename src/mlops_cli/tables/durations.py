"""Durations of a Parquet file, which are read as seconds whatever unit they are written in.

Parquet has no type for them: they are whole numbers, and the Arrow schema that Arrow, pandas and
Polars keep in the file's metadata alone says of what.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

_SECONDS = {
    "s": "{0}::double",
    "ms": "{0} / 1e3",
    "us": "{0} / 1e6",
    # What microseconds can say is computed from them: more digits than a float has would be
    # rounded twice, and the same duration would differ from unit to unit.
    "ns": "case when {0} % 1000 = 0 then ({0} // 1000) / 1e6 else {0} / 1e9 end",
}


def duration_units(schema: bytes) -> dict[str, str]:
    """The unit (s, ms, us, ns) of each column of durations in a file's Arrow schema.

    Raises `ValueError` for what is no schema.
    """
    try:
        read = pa.ipc.read_schema(pa.py_buffer(schema))
    except (pa.ArrowException, OSError) as e:
        raise ValueError(str(e)) from e
    kinds = {field.name: _plain(field.type) for field in read}
    return {n: kind.unit for n, kind in kinds.items() if pa.types.is_duration(kind)}


def seconds(column: str, unit: str) -> str:
    """SQL: the seconds (a double) of a quoted column of whole numbers of that unit."""
    return f"({_SECONDS[unit].format(column)})"


def with_units(
    chunk: pa.RecordBatch | pa.Table, units: Mapping[str, str]
) -> pa.RecordBatch | pa.Table:
    """The chunk with its columns of durations as Arrow's own type, not as whole numbers."""
    for name, unit in units.items():
        at = chunk.schema.get_field_index(name)
        chunk = chunk.set_column(at, name, chunk.column(at).cast(pa.duration(unit)))
    return chunk


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind
