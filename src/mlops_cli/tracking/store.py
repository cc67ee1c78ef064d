"""Reach MLflow's store: which one it is, its first use, and its faults as ours."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import mlflow.store.db.utils
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from mlops_cli import _locks
from mlops_cli._files import replacing
from mlops_cli.errors import EnvironmentFault
from mlops_cli.redaction import redact
from mlops_cli.tracking.address import SQLITE, sqlite_file
from mlops_cli.tracking.artifacts import LOCATION

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_LOCK_SECONDS = 120.0
_ROOM = "make room, or run where the project may be written"


def artifact_location(uri: str) -> str | None:
    """Where a new experiment's files go: a server knows its own place, a database has none."""
    return LOCATION if uri.startswith(_DATABASES) else None


def open_client(uri: str, lock: Path) -> MlflowClient:
    """MLflow's client of the store; makes a SQLite file that does not exist, whole or not at all.

    Creating the tables takes 2 s and is no transaction: a process that is killed in it, or two
    at once, would leave a database that MLflow can neither use nor fix.
    """
    _give_up_sooner()
    file = sqlite_file(uri)
    if file is not None and not file.exists():
        with locked(lock):
            if not file.exists():
                _create(file)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _create(file: Path) -> None:
    with replacing(file) as temporary:
        open_store: Any = SqlAlchemyStore  # it has no types
        store = open_store(f"{SQLITE}{temporary}", LOCATION)
        store.engine.dispose()


def _give_up_sooner() -> None:
    # 10 tries, each twice as long after the last, would wait 100 s for a database that is away.
    mlflow.store.db.utils.MAX_RETRY_COUNT = 4


def check_database(uri: str) -> None:
    """Have SQLite look through its file; raises its own error where that is not whole."""
    file = sqlite_file(uri)
    if file is not None and file.exists():
        with closing(sqlite3.connect(file)) as database:
            ((said,),) = database.execute("pragma quick_check(1)")
        if said != "ok":
            raise sqlite3.DatabaseError(f"database disk image is malformed: {said}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, against other processes of this machine.

    Raises `EnvironmentFault` when another one holds it for two minutes.
    """
    otherwise = EnvironmentFault(
        f"another process has held {path} for {_LOCK_SECONDS:.0f} s", hint="wait for it, or end it"
    )
    with _locks.locked(path, otherwise=otherwise, seconds=_LOCK_SECONDS):
        yield


@contextmanager
def faults(uri: str) -> Iterator[None]:
    """Turn what MLflow, its database driver or the network raise into `EnvironmentFault`."""
    try:
        yield
    except ModuleNotFoundError as e:
        raise EnvironmentFault(
            f"the tracking store {redact(uri)} needs the package {e.name!r}",
            hint=f"pip install {e.name}",
        ) from e
    except (MlflowException, SQLAlchemyError, RequestException, sqlite3.Error, OSError) as e:
        if isinstance(e, OSError) and e.filename is not None:  # a file of ours, not the store
            raise EnvironmentFault(f"{(e.strerror or '').lower()}: {e.filename}", hint=_ROOM) from e
        said = redact(_core(" ".join(str(e).split())))[:300]
        raise EnvironmentFault(
            f"the tracking store {redact(uri)} does not answer as it should: {said}",
            hint=_hint(uri, said),
        ) from e


def _core(said: str) -> str:
    """What a person would want to know first, without SQL and links to manuals.

    urllib3 says it last, after "Caused by", SQLAlchemy before the statement.
    """
    return re.split(r" \[SQL: | \(Background on ", said.rpartition("Caused by ")[2])[0]


def _hint(uri: str, said: str) -> str:
    if re.search(r"disk is full|no space left|readonly database|read-only", said, re.I):
        return _ROOM
    if "database is locked" in said:
        return "another program is writing to it: wait, or close that program"
    if (file := sqlite_file(uri)) and re.search(r"not a database|malformed", said):
        return (
            f"bring it back from a backup; or move it away (mv {file} {file}.broken): the "
            "champion's bundle in model/ is enough for `mlops register` to begin it anew"
        )
    if "out-of-date database schema" in said:
        return f"take a backup, then run: mlflow db upgrade {redact(uri)}"
    return "start it, or point `tracking.uri` or MLFLOW_TRACKING_URI at one that runs"
