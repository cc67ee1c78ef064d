"""Any database that has an SQLAlchemy dialect: rows by a cursor of the server, made into Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlops_cli.errors import DataError, EnvironmentFault
from mlops_cli.redaction import redact
from mlops_cli.sources.connection import Connection, Value

_ROWS = 20_000  # of a batch


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
