"""Records in Avro with a schema registry: a byte 0, the schema's id in four bytes, the record."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from typing import Any

import fastavro
import pyarrow as pa

from mlops_cli.errors import DataError
from mlops_cli.sources.schema import evolve
from mlops_cli.sources.schema_registry import SchemaRegistry

_HEAD = 5  # bytes before a record
_PLAIN = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
}
_LOGICAL = {
    "date": pa.date32(),
    "time-millis": pa.string(),
    "time-micros": pa.string(),
    "timestamp-millis": pa.timestamp("us", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("us"),
    "local-timestamp-micros": pa.timestamp("us"),
    "decimal": pa.float64(),
    "uuid": pa.string(),
}


@dataclass(frozen=True, slots=True)
class _Writer:
    """A schema that records are written by; `columns` are those of its fields with a plain type.

    `optional` names those that may be null or have a default, `skipped` the other fields.
    """

    schema: Any
    columns: pa.Schema
    optional: frozenset[str]
    skipped: tuple[str, ...]


class AvroRecords:
    """`Records` by the schemas of a registry; each is asked for once."""

    def __init__(self, registry: str) -> None:
        self._registry = SchemaRegistry(registry)
        self._writers: dict[int, _Writer | None] = {}
        self._rows: list[dict[str, Any]] = []
        self._used: set[int] = set()

    def take(self, value: bytes) -> str | None:
        """See `Records.take`."""
        if len(value) <= _HEAD or value[0] != 0:
            return "it does not begin with a byte 0 and the id of a schema"
        number = int.from_bytes(value[1:_HEAD], "big")
        if number not in self._writers:
            self._writers[number] = self._writer(number)
        writer = self._writers[number]
        if writer is None:
            return f"the registry has no Avro record schema {number}"
        rest = io.BytesIO(value)
        rest.seek(_HEAD)
        try:
            row: Any = fastavro.schemaless_reader(rest, writer.schema, None)
        except Exception as e:  # noqa: BLE001  what a broken record raises is of any kind
            return f"it is no record of the schema {number}: {type(e).__name__} {e}"[:300]
        if rest.tell() != len(value):
            return f"it is longer than a record of the schema {number}"
        self._rows.append(row)
        self._used.add(number)
        return None

    def at_once(self, values: Sequence[bytes], schema: pa.Schema | None) -> pa.Table | None:
        """See `Records.at_once`: each is asked for its schema."""
        del values, schema
        return None

    def table(self, schema: pa.Schema | None, where: str) -> pa.Table | None:
        """See `Records.table`."""
        rows, self._rows = self._rows, []
        if not rows:
            return None
        columns = schema or pa.schema([])
        for number in sorted(self._used):
            if (writer := self._writers[number]) is not None:
                columns = evolve(columns, writer.columns, f"schema {number} of {where}")
        return _table(rows, columns)

    def mark(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns of each schema that records were written by; `?` ends what may be absent."""
        used = {str(n): self._told(n) for n in self._used}
        every = {**before.get("schemas", {}), **used}
        return {"schemas": {n: every[n] for n in sorted(every, key=int)}}

    def remarks(self) -> list[str]:
        """See `Records.remarks`."""
        names = {n for w in self._writers.values() if w is not None for n in w.skipped}
        said = f"fields of several values or types are left out: {', '.join(sorted(names))}"
        return [said[:300]] if names else []

    def _told(self, number: int) -> dict[str, str]:
        writer = self._writers[number]
        if writer is None:
            return {}
        return {f.name: f"{f.type}{'?' * (f.name in writer.optional)}" for f in writer.columns}

    def _writer(self, number: int) -> _Writer | None:
        found = self._registry.schema(number)
        if found is None or found.get("schemaType", "AVRO") != "AVRO":
            return None
        named: dict[str, Any] = {}
        try:
            parsed = self._parsed(found, named)
        except (fastavro.schema.SchemaParseException, ValueError, TypeError, KeyError) as e:
            said = " ".join(str(e).split())[:200]
            raise DataError(f"schema {number} of the registry cannot be read: {said}") from e
        if not isinstance(parsed, dict) or parsed.get("type") != "record":
            return None
        fields = {f["name"]: _column(f["type"], named) for f in parsed["fields"]}
        given = {f["name"] for f in parsed["fields"] if "default" in f}
        known = {name: kind for name, (kind, _) in fields.items() if kind is not None}
        if not known:
            raise DataError(f"schema {number} of the registry has no field of one plain value")
        return _Writer(
            schema=parsed,
            columns=pa.schema(list(known.items())),
            optional=frozenset(n for n, (_, null) in fields.items() if null or n in given),
            skipped=tuple(name for name in fields if name not in known),
        )

    def _parsed(self, found: Mapping[str, Any], named: dict[str, Any]) -> Any:
        for reference in found.get("references") or ():
            other = self._registry.version(reference["subject"], int(reference["version"]))
            if other is None:
                raise ValueError(f"it refers to {reference['subject']}, which is not there")
            self._parsed(other, named)
        return fastavro.parse_schema(json.loads(found["schema"]), named_schemas=named)


def _column(kind: Any, named: Mapping[str, Any]) -> tuple[pa.DataType | None, bool]:
    """The type of a field's column, None for one of several values; and whether null is one."""
    if not isinstance(kind, list):
        return _plain(kind, named), kind == "null"
    others = [k for k in kind if k != "null"]
    return (_plain(others[0], named) if len(others) == 1 else None), len(others) < len(kind)


def _plain(kind: Any, named: Mapping[str, Any]) -> pa.DataType | None:
    if isinstance(kind, str):
        kind = named.get(kind, {"type": kind})  # a type that was defined before, by its name
    name, logical = kind["type"], kind.get("logicalType")
    if logical in _LOGICAL:
        return _LOGICAL[logical]
    return _PLAIN.get(name) if isinstance(name, str) else None


def _table(rows: Sequence[Mapping[str, Any]], columns: pa.Schema) -> pa.Table:
    made = []
    for field in columns:
        cells = [row.get(field.name) for row in rows]
        if as_plain := _conversion(cells, field.type):
            cells = [None if cell is None else as_plain(cell) for cell in cells]
        made.append(pa.array(cells, field.type))
    return pa.Table.from_arrays(made, schema=columns)


def _conversion(cells: Sequence[Any], kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What a column's values need to become its type: decimals, times of day, identifiers."""
    first = next((cell for cell in cells if cell is not None), None)
    if pa.types.is_floating(kind):
        return float if isinstance(first, int | Decimal) else None
    if pa.types.is_string(kind) and not isinstance(first, str):
        return time.isoformat if isinstance(first, time) else str
    return None
