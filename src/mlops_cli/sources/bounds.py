"""Which rows of a file are asked for: from one value of a column up to another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.errors import UsageError
from mlops_cli.sources.watermark import value_of


@dataclass(frozen=True, slots=True)
class Bounds:
    """Values of a column, as texts: from `since` on, above `above`, up to `until`."""

    column: str
    since: str | None = None
    above: str | None = None
    until: str | None = None

    def wanted(self, kind: pa.DataType) -> pc.Expression:
        """True of rows within; raises `UsageError` for a bound that is no value of that type."""
        field = pc.field(self.column)
        found = field.is_valid()
        if self.since is not None:
            found &= field >= bound_of(self.since, kind)
        if self.above is not None:
            found &= field > bound_of(self.above, kind)
        if self.until is not None:
            found &= field <= bound_of(self.until, kind)
        return found

    def beyond(self, kind: pa.DataType) -> pc.Expression | None:
        """True of rows that a later `until` would bring; None where all are asked for."""
        if self.until is None:
            return None
        return pc.field(self.column) > bound_of(self.until, kind)

    def hold(self, value: pa.Scalar) -> bool:
        """Whether a row of that value is within."""
        row = pa.RecordBatch.from_arrays([pa.array([value.as_py()], value.type)], [self.column])
        return bool(row.filter(self.wanted(value.type)).num_rows)


def bound_of(text: str, kind: pa.DataType) -> pa.Scalar:
    """A value of the column's own type: of another one no statistics would leave anything out.

    A moment without an offset is UTC. Raises `UsageError` for a text that is none.
    """
    value = value_of(text, _name_of(kind))
    if pa.types.is_timestamp(kind):
        return pa.scalar(_in_zone(value, zoned=kind.tz is not None), kind)
    return pa.scalar(value, kind)


def _in_zone(value: datetime, *, zoned: bool) -> datetime:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware if zoned else aware.replace(tzinfo=None)


def _name_of(kind: pa.DataType) -> str:
    tests: dict[str, Any] = {
        "int": pa.types.is_integer(kind),
        "float": pa.types.is_floating(kind),
        "datetime": pa.types.is_timestamp(kind),
        "date": pa.types.is_date(kind),
        "str": pa.types.is_string(kind) or pa.types.is_large_string(kind),
    }
    found = next((name for name, is_it in tests.items() if is_it), None)
    if found is None:
        raise UsageError(
            f"a watermark is a number, a text, a date or a moment, and this one is {kind}",
            hint="data.table.watermark",
        )
    return found
