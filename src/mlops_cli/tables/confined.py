"""A query of somebody's own on the tables that it is given, and on nothing else.

It stands in a file that others may send: it is one SELECT, by DuckDB's own parser, on a database
of its own that may open no file but those of the tables, whatever a function's name is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from mlops_cli.errors import UsageError
from mlops_cli.tables.base import literal, quote
from mlops_cli.tables.faults import reading_fault
from mlops_cli.tables.file_watch import parts_of

_MEMORY = "1GB"
_REFUSED = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InvalidInputException,
    duckdb.NotImplementedException,
    duckdb.ParserException,
    duckdb.PermissionException,
    duckdb.SyntaxException,
)


class Confined:
    """Queries over `tables`: relations of an engine by the name that a query says.

    `files` are what those relations read; what does not fit into memory spills to `temporary`.
    """

    def __init__(self, tables: Mapping[str, str], files: Iterable[Path], temporary: Path) -> None:
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
                "temp_directory": str(temporary),
                "memory_limit": _MEMORY,
            },
        )
        read = [str(part) for file in files for part in (parts_of(file) or [file])]
        self._connection.execute(f"set allowed_paths = [{', '.join(map(literal, read))}]")
        self._connection.execute("set global TimeZone = 'UTC'; set enable_progress_bar = false")
        self._connection.execute("set enable_external_access = false")
        for name, relation in tables.items():
            self._connection.execute(f"create view {quote(name)} as select * from {relation}")
        self._connection.execute("set lock_configuration = true")

    def __enter__(self) -> Confined:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def columns(self, query: str, what: str) -> dict[str, str]:
        """The query's columns by name, with DuckDB's type.

        Raises `UsageError`, which calls the query `what`, where it is not one SELECT, or asks for
        what is not there or not allowed.
        """
        with _told(what):
            statements = duckdb.extract_statements(query)
            if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
                raise UsageError(
                    f"{what} is not one SELECT",
                    hint="it reads the project's tables, each by its contract's name",
                )
            described = self._connection.execute(f"describe select * from {_inner(query)}")
            return {name: kind for name, kind, *_ in described.fetchall()}

    def rows(self, query: str, what: str, select: str) -> list[tuple[Any, ...]]:
        """`select ... from` the query's rows; raises `UsageError` as `columns`."""
        with _told(what):
            return self._connection.execute(f"select {select} from {_inner(query)}").fetchall()

    def write(self, query: str, what: str, select: str, path: Path) -> int:
        """The same into a Parquet file; the number of its rows."""
        rows = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        with _told(what):
            reader = self._connection.sql(f"select {select} from {_inner(query)}").to_arrow_reader()
            with pq.ParquetWriter(path, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)
                    rows += batch.num_rows
        return rows


def _inner(query: str) -> str:
    return f"(\n{query.strip().rstrip(';')}\n) as rows_of_the_query"


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except _REFUSED as e:
        said = " ".join(str(e).split("LINE 1")[0].split())[:300]
        raise UsageError(
            f"{what}: {said}", hint="it reads the project's tables, each by its contract's name"
        ) from e
    except duckdb.Error as e:
        raise reading_fault(f"{what}: {e}", ()) from e
