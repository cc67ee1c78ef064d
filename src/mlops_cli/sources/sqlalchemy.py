"""Any database that has an SQLAlchemy dialect: rows by a cursor of the server, made into Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlops_cli.errors import DataError, EnvironmentFault
from mlops_cli.redaction import redact
from mlops_cli.sources.connection import Connection, Value

_ROWS = 20_000  # of a batch
_READ_ONLY = dict.fromkeys(("mysql", "mariadb"), "set session transaction read only")


def connect(url: str, root: Path) -> Connection:
    """See `sources.connection.Connection`; raises `EnvironmentFault`."""
    del root
    try:
        return _Alchemy(url)
    except (SQLAlchemyError, ModuleNotFoundError, ValueError) as e:
        raise EnvironmentFault(
            f"the database cannot be opened: {_said(e)}",
            hint="install the driver that its URL names",
        ) from e


class _Alchemy:
    """`Connection` by SQLAlchemy."""

    parameter = ":p{n}"

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        if said := _READ_ONLY.get(self._engine.dialect.name):

            def read_only(session: Any, _: object) -> None:
                with closing(session.cursor()) as cursor:
                    cursor.execute(said)

            event.listen(self._engine, "connect", read_only)

    def quoted(self, name: str) -> str:
        """See `Connection.quoted`; MySQL takes double quotes for those of a text."""
        return self._engine.dialect.identifier_preparer.quote_identifier(name)

    def batches(self, query: str, values: Sequence[Value]) -> Iterator[pa.RecordBatch]:
        """See `Connection.batches`."""
        named = {f"p{n}": value for n, value in enumerate(values, 1)}
        try:
            with self._engine.connect() as connection:
                streamed = connection.execution_options(stream_results=True)
                result = streamed.execute(text(query), named)
                names = list(result.keys())
                while rows := result.fetchmany(_ROWS):
                    columns = [pa.array(column) for column in zip(*rows, strict=True)]
                    yield pa.RecordBatch.from_arrays(columns, names=names)
        except DBAPIError as e:
            if e.connection_invalidated or not e.statement:
                raise EnvironmentFault(f"the database does not answer: {_said(e)}") from e
            raise DataError(f"the database refuses the query: {_said(e)}") from e
        except pa.ArrowException as e:
            raise DataError(
                f"a column holds values of several types: {_said(e)}", hint="cast it in the query"
            ) from e

    def close(self) -> None:
        """See `Connection.close`."""
        self._engine.dispose()


def _said(e: Exception) -> str:
    return redact(" ".join(str(e).split()))[:300]
