"""The port of a database: a query in, Arrow batches out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Protocol

import pyarrow as pa

Value = int | float | str | datetime | date


class Connection(Protocol):
    """A database that answers a query in batches."""

    parameter: str  # how a query names its `n`-th parameter, with `{n}`

    def quoted(self, name: str) -> str:
        """A column's name as this database writes it where it is no plain word."""

    def batches(self, query: str, values: Sequence[Value]) -> Iterator[pa.RecordBatch]:
        """The rows; raises `EnvironmentFault` for a database that does not answer, `DataError`
        for a query that it refuses.
        """

    def close(self) -> None:
        """Leave."""
