"""How the records of a topic are written: the port, and JSON objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from mlops_cli.sources.json_lines import fault_of, flat_table, table_of


class Records(Protocol):
    """Collects records that belong together, and makes a table of them."""

    def take(self, value: bytes) -> str | None:
        """Collect a record; why it cannot be read, where it cannot.

        Raises `EnvironmentFault` where nobody answers who has to be asked.
        """

    def at_once(self, values: Sequence[bytes], schema: pa.Schema | None) -> pa.Table | None:
        """The table of records that can all be read, where that is told at once.

        None: nothing is said of them, and each is to be taken.
        """

    def table(self, schema: pa.Schema | None, where: str) -> pa.Table | None:
        """What was collected, in its order, and nothing of it again; None of nothing.

        Columns of `schema` keep their types. Raises `DataError` for records that do not fit it.
        """

    def mark(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is to be kept beside the offsets, with what the mark `before` had of it."""

    def remarks(self) -> list[str]:
        """What a person should know of all that was read."""


class JsonRecords:
    """`Records` that are JSON objects."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def take(self, value: bytes) -> str | None:
        """See `Records.take`."""
        if fault := fault_of(value):
            return fault
        self._lines.append(value)
        return None

    def at_once(self, values: Sequence[bytes], schema: pa.Schema | None) -> pa.Table | None:
        """See `Records.at_once`."""
        return flat_table(values, schema)

    def table(self, schema: pa.Schema | None, where: str) -> pa.Table | None:
        """See `Records.table`."""
        lines, self._lines = self._lines, []
        return table_of(lines, schema, where) if lines else None

    def mark(self, before: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Records.mark`."""
        del before
        return {}

    def remarks(self) -> list[str]:
        """See `Records.remarks`."""
        return []
