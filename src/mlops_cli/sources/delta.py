"""A Delta table at a version; its rows in place of those of another version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from mlops_cli.config.sections.source import DeltaSource
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.sources.base import Landed, Part, Report, Source, Span
from mlops_cli.sources.bounds import Bounds
from mlops_cli.sources.watermark import mark_of, reaches

_BATCH = 131_072


def open_source(source: DeltaSource, root: Path) -> Source:
    """See `sources.open_source`; a path is relative to the project, and may lie outside it."""
    uri = source.delta if "://" in source.delta else str((root / source.delta).resolve())
    return _Delta(source, uri)


class _Delta:
    """`Source`: what the table's log says are the files of a version."""

    def __init__(self, source: DeltaSource, uri: str) -> None:
        self._name, self._uri, self._version = source.delta, uri, source.version
        self._columns, self._watermark = source.columns, source.watermark

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`: parts that reach `since`; without a watermark none."""
        if self._watermark is None:
            if span.since or span.until:
                raise UsageError(
                    "--since and --until of a Delta table need a column to go by",
                    hint="name one that only grows: data.table.watermark; or data.table.version: N",
                )
            return []
        if span.since is None:
            return []
        return [part.number for part in landed if reaches(part, span.since)]

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        del schema
        table = self._opened()
        if self._watermark is not None:
            mark: dict[str, Any] = {}
            yield Part(self._grown(table, self._watermark, landed, span, mark), mark)
            return
        mark = {"version": table.version()}
        if landed and landed[0].mark == mark:
            return
        if landed:
            report.remarks.append(
                f"{self._name}: version {table.version()} in place of "
                f"{landed[0].mark.get('version')}"
            )
        yield Part(self._batches(table, None), mark, number=1)

    def close(self) -> None:
        """See `Source.close`."""

    def _opened(self) -> DeltaTable:
        try:
            return DeltaTable(self._uri, version=self._version)
        except TableNotFoundError as e:
            raise UsageError(f"{self._name} is no Delta table", hint="see data.table.delta") from e
        except (DeltaError, OSError, ValueError) as e:
            if self._version is not None:
                raise UsageError(
                    f"{self._name} has no version {self._version}: {_said(e)}",
                    hint="leave data.table.version out for the newest",
                ) from e
            raise EnvironmentFault(f"{self._name} cannot be read: {_said(e)}") from e

    def _grown(
        self,
        table: DeltaTable,
        column: str,
        landed: Sequence[Landed],
        span: Span,
        mark: dict[str, Any],
    ) -> Iterator[pa.RecordBatch]:
        """The rows above what landed, within `span`; `mark` becomes the highest of them."""
        above = str(landed[-1].mark["watermark"]) if landed else None
        bounds = Bounds(column, None if landed else span.since, above, span.until)
        wanted = bounds.wanted(self._kind(table, column))
        highest: pa.Scalar | None = None
        for batch in self._batches(table, wanted):
            if batch.num_rows:
                most = pc.max(batch.column(column))
                if highest is None or most.as_py() > highest.as_py():
                    highest = most
                    mark.update(mark_of(most))
                yield batch

    def _kind(self, table: DeltaTable, column: str) -> pa.DataType:
        schema = table.to_pyarrow_dataset().schema
        if column not in schema.names or (self._columns and column not in self._columns):
            raise UsageError(
                f"{self._name} gives no column {column!r}, which is data.table.watermark",
                hint=f"it has {', '.join(schema.names[:20])}",
            )
        return schema.field(column).type

    def _batches(self, table: DeltaTable, wanted: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        """The rows for which `wanted` is true: statistics of the log leave out whole files."""
        columns = list(self._columns) if self._columns else None
        try:
            dataset = table.to_pyarrow_dataset()
            if absent := [name for name in columns or () if name not in dataset.schema.names]:
                raise UsageError(
                    f"{self._name} has no column {absent[0]!r}", hint="see data.table.columns"
                )
            yield from dataset.to_batches(columns=columns, filter=wanted, batch_size=_BATCH)
        except FileNotFoundError as e:
            raise DataError(
                f"{self._name}: version {table.version()} lacks a file, which a vacuum removed: "
                f"{_said(e)}",
                hint="take a version that is still whole",
            ) from e
        except (OSError, pa.ArrowException, DeltaError) as e:
            raise EnvironmentFault(f"{self._name} cannot be read: {_said(e)}") from e


def _said(e: Exception) -> str:
    return " ".join(str(e).split())[:300]
