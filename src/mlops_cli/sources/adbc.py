"""PostgreSQL, SQLite and DuckDB by their ADBC drivers: Arrow batches of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from adbc_driver_manager import (
    AdbcConnection,
    AdbcDatabase,
    Error,
    InternalError,
    ProgrammingError,
    dbapi,
)

from mlops_cli.errors import DataError, EnvironmentFault
from mlops_cli.redaction import redact
from mlops_cli.sources.connection import Connection, Value
from mlops_cli.sources.drivers import load_dbapi
from mlops_cli.tables.base import quote

_BATCH = "4000000"  # bytes: it bounds memory
_WRITES = "readonly database"
_AWAY = ("08", "28", "3D", "57")  # classes of SQLSTATE: connection, password, database, shutdown


def connect(url: str, root: Path) -> Connection:
    """See `sources.connection.Connection`; raises `EnvironmentFault`."""
    if url.startswith("sqlite"):
        opened = _opened(load_dbapi("adbc_driver_sqlite", "sql"), _file(url, root))
        return _read_only(opened, "pragma query_only = on", _Adbc(opened, "?", {}))
    if url.startswith("duckdb"):
        return _Adbc(_duckdb(_file(url, root)), "?", {})
    hint = {"adbc.postgresql.batch_size_hint_bytes": _BATCH}
    opened = _opened(load_dbapi("adbc_driver_postgresql", "postgres"), url)
    return _read_only(opened, "set transaction read only", _Adbc(opened, "${n}", hint))


def _file(url: str, root: Path) -> str:
    path = root / url.partition("://")[2].removeprefix("/")
    if not path.is_file():
        raise EnvironmentFault(f"{path} does not exist", hint="check data.table.url")
    return str(path)


def _duckdb(path: str) -> dbapi.Connection:
    """A file that is read alone: queries see no other file, and bring no extension."""
    package = load_dbapi("adbc_driver_duckdb", "sql").adbc_driver_duckdb
    options = {
        "path": path,
        "access_mode": "read_only",
        "enable_external_access": "false",
        "lock_configuration": "true",
    }
    with _faults():
        database = AdbcDatabase(
            driver=package.driver_path(), entrypoint="duckdb_adbc_init", **options
        )
        return dbapi.Connection(database, AdbcConnection(database), autocommit=True)


def _read_only(opened: dbapi.Connection, said: str, connection: Connection) -> Connection:
    """The connection, of which the database itself refuses what writes."""
    with opened.cursor() as cursor:
        cursor.execute(said)
    return connection


def _opened(module: Any, where: str) -> dbapi.Connection:
    with _faults():
        opened: dbapi.Connection = module.connect(where, autocommit=False)
    return opened


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except Error as e:
        raise EnvironmentFault(
            f"the database does not answer: {_said(e)}", hint="check data.table.url"
        ) from e


class _Adbc:
    """`Connection` by ADBC."""

    def __init__(self, connection: dbapi.Connection, parameter: str, hints: dict[str, str]) -> None:
        self.parameter = parameter
        self._connection, self._hints = connection, hints

    def quoted(self, name: str) -> str:
        """See `Connection.quoted`."""
        return quote(name)

    def batches(self, query: str, values: Sequence[Value]) -> Iterator[pa.RecordBatch]:
        """See `Connection.batches`."""
        try:
            with self._connection.cursor(adbc_stmt_kwargs=self._hints) as cursor:
                cursor.execute(query, tuple(values) or None)
                yield from cursor.fetch_record_batch()
        except (Error, OSError) as e:
            state = str(getattr(e, "sqlstate", None) or "")
            told = isinstance(e, ProgrammingError | InternalError)  # of DuckDB what it forbids
            told |= _WRITES in str(e)  # SQLite says it of a statement that is under way
            refused = not state.startswith(_AWAY) if state else told
            if refused:
                raise DataError(
                    f"the database refuses the query: {_said(e)}", hint="see data.table.sql"
                ) from e
            raise EnvironmentFault(
                f"the database went away: {_said(e)}",
                hint="mlops ingest goes on where it was",
            ) from e

    def close(self) -> None:
        """See `Connection.close`."""
        self._connection.close()


def _said(e: Any) -> str:
    return redact(" ".join(str(e).split()))[:300]
