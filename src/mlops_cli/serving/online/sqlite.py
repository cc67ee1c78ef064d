"""An online store in a SQLite file of this machine: who reads never waits for who writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

import msgspec

from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.online.base import Ask, Chunk, State, StoreAway, Told, decode_state

_SCHEMA = """
create table if not exists state (id integer primary key check (id = 0), content blob not null);
create table if not exists totals (
    grp text not null, key blob not null, bucket integer not null, content blob not null,
    primary key (grp, key, bucket)) without rowid;
create table if not exists moments (
    grp text not null, key blob not null, bucket integer not null, content blob not null,
    primary key (grp, key, bucket)) without rowid;
"""
_STATE = "select content from state where id = 0"
_TOTALS = "select bucket, content from totals where grp = ? and key = ? and bucket between ? and ?"
_MOMENTS = "select bucket, content from moments where grp = ? and key = ? and bucket = ?"
_LATEST = (
    "select bucket, content from moments where grp = ? and key = ? and bucket <= ? "
    "order by bucket desc limit 2"
)
_MMAP = 256 << 20  # bytes of the file that are read without a copy
_PATIENCE = 0.1  # seconds that a reader waits for a lock, which it meets after a crash alone
_WRITER = 5.0  # seconds that a writer does


class SqliteReader:
    """Reads the file as it stands at each call; one that is not there yet is an empty store."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._opened: sqlite3.Connection | None = None
        self._of: tuple[int, int] | None = None

    def read(self, asks: Sequence[Ask]) -> tuple[bytes | None, list[Told]]:
        """See `Store.read`."""
        try:
            connection = self._connection()
            if connection is None:
                return None, []
            connection.execute("begin")
            try:
                found = connection.execute(_STATE).fetchone()
                told = [self._told(connection, ask) for ask in asks]
            finally:
                connection.execute("commit")
        except (sqlite3.Error, OSError) as e:
            self.close()
            raise StoreAway(f"the online store cannot be read: {str(e)[:200]}") from e
        return (None if found is None else found[0]), told

    def _told(self, connection: sqlite3.Connection, ask: Ask) -> Told:
        totals: dict[int, bytes] = {}
        moments: dict[int, bytes] = {}
        of = ask.group, ask.key
        if ask.first is not None and ask.last is not None:
            totals = dict(connection.execute(_TOTALS, (*of, ask.first, ask.last)))
        for bucket in ask.edges:
            moments.update(connection.execute(_MOMENTS, (*of, bucket)))
        for bucket in ask.latest:
            moments.update(connection.execute(_LATEST, (*of, bucket)))
        return Told(totals, moments)

    def _connection(self) -> sqlite3.Connection | None:
        """The connection to the file; another one where another file has taken its place."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            self.close()
            return None
        if self._opened is None or self._of != (found.st_dev, found.st_ino):
            self.close()
            uri = f"{self._file.resolve().as_uri()}?mode=ro"
            opened = sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)
            self._opened, self._of = opened, (found.st_dev, found.st_ino)
            opened.execute(f"pragma mmap_size = {_MMAP}")
        return self._opened

    def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            with suppress(sqlite3.Error):
                self._opened.close()
        self._opened = None


class SqliteWriter:
    """Writes in one transaction: a process that is killed leaves what was there before."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():  # whose log, left behind, would be taken for the new one's
            for end in ("-wal", "-shm"):
                file.with_name(file.name + end).unlink(missing_ok=True)
        with _faults(file):
            self._connection = sqlite3.connect(file, timeout=_WRITER, isolation_level=None)
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.executescript(_SCHEMA)

    def __enter__(self) -> SqliteWriter:
        """See `Writer`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        """See `Writer`."""
        self._connection.close()

    def state(self) -> State | None:
        """See `Writer.state`."""
        with _faults(self._file):
            found = self._connection.execute(_STATE).fetchone()
        return decode_state(found[0] if found else None)

    def replace(self, state: State, chunks: Iterable[Chunk]) -> int:
        """See `Writer.replace`."""
        connection = self._connection
        with _faults(self._file):
            connection.execute("begin immediate")
            try:
                changed = self._replaced(connection, chunks)
                raw = msgspec.json.encode(state)
                connection.execute("insert or replace into state values (0, ?)", (raw,))
                connection.execute("commit")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("rollback")
                raise
        return changed

    def _replaced(self, connection: sqlite3.Connection, chunks: Iterable[Chunk]) -> int:
        connection.execute("create temp table seen (grp text, key blob, bucket integer, "
            "primary key (grp, key, bucket)) without rowid")  # fmt: skip
        changed = 0
        for part in _in_parts(chunks):
            connection.executemany(
                "insert into seen values (?, ?, ?)", [(c.group, c.key, c.bucket) for c in part]
            )
            for table in ("totals", "moments"):
                before = connection.total_changes
                connection.executemany(
                    f"insert into {table} values (?, ?, ?, ?) on conflict do update "
                    f"set content = excluded.content where content <> excluded.content",
                    [
                        (c.group, c.key, c.bucket, c.totals if table == "totals" else c.moments)
                        for c in part
                    ],
                )
                after = connection.total_changes
                changed += after - before if table == "moments" else 0
        for table in ("totals", "moments"):
            gone = connection.execute(
                f"delete from {table} where (grp, key, bucket) not in (select * from seen)"
            )
            changed += gone.rowcount if table == "moments" else 0
        connection.execute("drop table seen")
        return changed


def _in_parts(chunks: Iterable[Chunk], size: int = 5000) -> Iterator[list[Chunk]]:
    part: list[Chunk] = []
    for chunk in chunks:
        part.append(chunk)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


@contextmanager
def _faults(file: Path) -> Iterator[None]:
    """What SQLite raises, as a fault of the environment."""
    try:
        yield
    except sqlite3.Error as e:
        if "locked" in str(e):
            raise EnvironmentFault(
                f"{file} is locked: another process fills the online store", hint="try again"
            ) from e
        raise EnvironmentFault(
            f"{file} cannot be written: {str(e)[:200]}",
            hint=f"free the disk, or remove {file} and fill it again",
        ) from e
