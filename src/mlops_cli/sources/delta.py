"""A Delta table at a version; its rows in place of those of another version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from mlops_cli.config.sections.source import DeltaSource
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.sources.base import Landed, Part, Report, Source, Span

_BATCH = 131_072


def open_source(source: DeltaSource, root: Path) -> Source:
    """See `sources.open_source`; a path is relative to the project, and may lie outside it."""
    uri = source.delta if "://" in source.delta else str((root / source.delta).resolve())
    return _Delta(source.delta, uri, source.version)


class _Delta:
    """`Source`: what the table's log says are the files of a version."""

    def __init__(self, name: str, uri: str, version: int | None) -> None:
        self._name, self._uri, self._version = name, uri, version

    def obsolete(self, landed: Sequence[Landed], span: Span) -> list[int]:
        """See `Source.obsolete`."""
        del landed
        if span.since or span.until:
            raise UsageError("a Delta table has versions", hint="data.table.version: N")
        return []

    def parts(
        self, landed: Sequence[Landed], schema: pa.Schema | None, span: Span, report: Report
    ) -> Iterator[Part]:
        """See `Source.parts`."""
        del schema, span
        table = self._opened()
        mark = {"version": table.version()}
        if landed and landed[0].mark == mark:
            return
        if landed:
            report.remarks.append(
                f"{self._name}: version {table.version()} in place of "
                f"{landed[0].mark.get('version')}"
            )
        yield Part(self._batches(table), mark, number=1)

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

    def _batches(self, table: DeltaTable) -> Iterator[pa.RecordBatch]:
        try:
            yield from table.to_pyarrow_dataset().to_batches(batch_size=_BATCH)
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
