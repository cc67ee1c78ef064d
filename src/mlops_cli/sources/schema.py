"""Columns as they land: of plain types, and the same from part to part."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.errors import DataError


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the types that a table may have.

    Numbers of a database (decimal, `numeric`) become float64, which they are to a model; durations
    seconds; identifiers, intervals and times of day text; small integers int64, dictionaries text.
    Raises `DataError` for a number or moment beyond 64 bits.
    """
    names = batch.schema.names
    columns = [_plain(column, name) for name, column in zip(names, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=names)


def evolve(known: pa.Schema, new: pa.Schema, where: str) -> pa.Schema:
    """The columns of both, integers widened to floats, a column of nulls to any type.

    Raises `DataError` naming the first column whose type is another, or whose name differs from
    another's in its case alone.
    """
    _refuse_twins([*known.names, *(n for n in new.names if n not in set(known.names))], where)
    _refuse_twins(new.names, where)
    fields = {field.name: field.type for field in known}
    for field in new:
        old = fields.get(field.name)
        if old is None or pa.types.is_null(old):
            fields[field.name] = field.type
        elif old != field.type and not pa.types.is_null(field.type):
            if not (_number(old) and _number(field.type)):
                raise DataError(
                    f"the column {field.name!r} was {old}, and is {field.type} in {where}: the "
                    "source has changed",
                    hint="cast it there, or ingest it under another data.name",
                )
            fields[field.name] = pa.float64()
    return pa.schema(list(fields.items()))


def cut_moments(batch: pa.RecordBatch) -> dict[str, int]:
    """How many moments of each column `plain` cuts, since they are finer than a microsecond."""
    found: dict[str, int] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            kept = column.cast(pa.timestamp("us", column.type.tz), safe=False)
            cut = pc.sum(pc.not_equal(kept.cast(column.type, safe=False), column)).as_py()
            found |= {name: cut} if cut else {}
    return found


def _refuse_twins(names: Sequence[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise DataError(
                f"the columns {seen[name.lower()]!r} and {name!r} are one name to SQL in {where}",
                hint="names differ in more than their case: rename one at the source",
            )
        seen[name.lower()] = name


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of `schema`, which `evolve` gave; what it lacks is null.

    Raises `DataError` for a whole number of a column of floats that is no float.
    """
    names = set(batch.schema.names)
    columns = [
        _cast(batch.column(field.name), field.type, field.name)
        if field.name in names
        else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _cast(column: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    """The column in another type; of moments alone what is too fine is cut."""
    if column.type == kind:
        return column
    try:
        return column.cast(kind)
    except pa.ArrowInvalid as e:
        raise DataError(
            f"the column {name!r} cannot be {kind}: {' '.join(str(e).split())[:200]}",
            hint="cast it at the source",
        ) from e


def _plain(column: pa.Array, name: str) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _without_extension(column.storage, name)
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.dictionary_decode(), name)
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float64())
    if pa.types.is_integer(kind):
        return _cast(column, pa.int64(), name)
    if pa.types.is_duration(kind):
        seconds = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return pc.divide(column.cast(pa.int64()).cast(pa.float64()), seconds)
    if pa.types.is_timestamp(kind):
        micros = pa.timestamp("us", kind.tz)
        return column.cast(micros, safe=False) if kind.unit == "ns" else _cast(column, micros, name)
    return _text(column)


def _without_extension(column: pa.Array, name: str) -> pa.Array:
    """What a database had no type of Arrow's for; its `numeric` comes as text."""
    if not pa.types.is_string(column.type):
        return _plain(column, name)
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        return column


def _text(column: pa.Array) -> pa.Array:
    """Times of day and the other forms of texts as texts; anything else as it is."""
    kind = column.type
    if pa.types.is_time(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_interval(kind):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column
