"""Rows of a query: all of them, or by a column that only grows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_cli.config.sections.source import SqlSource
from mlops_cli.errors import DataError, UsageError
from mlops_cli.sources.base import PART_ROWS, Landed, Part, Report, Source, Span
from mlops_cli.sources.connection import Connection, Value
from mlops_cli.sources.drivers import open_database
from mlops_cli.sources.variables import filled
from mlops_cli.sources.watermark import kind_of, mark_of, reached, reaches, value_of


def open_source(source: SqlSource, root: Path) -> Source:
    """See `sources.open_source`."""
    url = filled(source.url, "data.table.url")
    connection = open_database(url, root)
    if source.watermark is None:
        return _Whole(source.sql, connection)
    return _Growing(source.sql, source.watermark, connection)


class _Query:
    """What both kinds have."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """See `Source.close`."""
        self._connection.close()


class _Whole(_Query):
    """All rows, in place of those that were there."""

    def __init__(self, query: str, connection: Connection) -> None:
        super().__init__(connection)
        self._query = query

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`."""
        del landed
        if span.since or span.until:
            raise UsageError(
                "--since and --until need a column to go by",
                hint="name one that only grows: data.table.watermark",
            )
        return []

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        del landed, schema, span, report
        yield Part(self._connection.batches(self._query, ()), {}, number=1)


class _Growing(_Query):
    """Rows above the highest watermark that landed, in its order."""

    def __init__(self, query: str, watermark: str, connection: Connection) -> None:
        super().__init__(connection)
        self._from = f"from ({query.rstrip().rstrip(';')}) rows_of_the_query"
        self._watermark, self._column = watermark, connection.quoted(watermark)
        self._fresh = True  # whether nothing ever landed

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`."""
        self._fresh = not landed
        if span.since is None:
            return []
        return [part.number for part in landed if reaches(part, span.since)]

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        del schema
        conditions, values = [f"{self._column} is not null"], list[Value]()
        kind = kind_of(landed[-1]) if landed else None
        if landed:
            self._below(">", reached(landed[-1]), conditions, values)
        elif span.since is not None and self._fresh:  # else from what the first part began with
            self._below(">=", value_of(span.since, kind), conditions, values)
        if span.until is not None:
            self._below("<=", value_of(span.until, kind), conditions, values)
        query = f"select * {self._from} where {' and '.join(conditions)} order by {self._column}"
        yield from self._cut(self._connection.batches(query, values))
        if landed:
            self._count_late(landed, report)

    def _below(self, sign: str, value: Value, conditions: list[str], values: list[Value]) -> None:
        values.append(value)
        parameter = self._connection.parameter.format(n=len(values))
        conditions.append(f"{self._column} {sign} {parameter}")

    def _cut(self, batches: Iterator[pa.RecordBatch]) -> Iterator[Part]:
        """Parts of about `PART_ROWS` rows; rows of one watermark are never parted."""
        rest: list[pa.RecordBatch] = []
        over = False

        def until_full(mark: dict[str, Any]) -> Iterator[pa.RecordBatch]:
            nonlocal over
            rows, held = 0, rest.copy()
            rest.clear()
            while True:
                batch = held.pop(0) if held else next(batches, None)
                if batch is None:
                    over = True
                    return
                if not batch.num_rows:
                    continue
                column = self._column_of(batch)
                last = column[len(column) - 1]
                whole = len(column)
                while whole and column[whole - 1] == last:
                    whole -= 1
                if rows + whole >= PART_ROWS and whole:
                    mark.update(mark_of(column[whole - 1]))
                    rest.append(batch.slice(whole))
                    yield batch.slice(0, whole)
                    return
                rows += len(column)
                mark.update(mark_of(last))
                yield batch

        while not over:
            mark: dict[str, Any] = {}
            yield Part(until_full(mark), mark)

    def _column_of(self, batch: pa.RecordBatch) -> pa.Array:
        if self._watermark not in batch.schema.names:
            raise DataError(
                f"the query gives no column {self._watermark!r}, which is data.table.watermark",
                hint=f"it gives {', '.join(batch.schema.names[:20])}",
            )
        return batch.column(self._watermark)

    def _count_late(self, landed: Sequence[Landed], report: Report) -> None:
        """Rows up to the watermark that the source has by now, held to those that landed."""
        value = reached(landed[-1])
        parameter = self._connection.parameter.format(n=1)
        query = (
            f"select sum(case when {self._column} <= {parameter} then 1 else 0 end) as n, "
            f"sum(case when {self._column} is null then 1 else 0 end) as unmarked {self._from}"
        )
        (row,) = [r for b in self._connection.batches(query, [value]) for r in b.to_pylist()]
        more = int(row["n"] or 0) - sum(part.rows for part in landed)
        report.late, report.deleted = max(more, 0), max(-more, 0)
        if more > 0:
            report.remarks.append(
                f"{more} rows came late, at or below the watermark {value}: "
                "mlops ingest --since VALUE brings them"
            )
        elif more < 0:
            report.remarks.append(f"{-more} rows that landed are gone from the source")
        if unmarked := int(row["unmarked"] or 0):
            report.remarks.append(f"{unmarked} rows have no {self._watermark} and are not brought")
