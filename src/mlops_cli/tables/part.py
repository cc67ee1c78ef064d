"""The engine of a task: of some tables a part of the rows, of others what it was handed."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.expressions.tree import ValueType
from mlops_cli.tables.base import ROW, Forms, literal, quote
from mlops_cli.tables.cluster import Split
from mlops_cli.tables.csv_form import CsvForm
from mlops_cli.tables.duckdb import DuckDB, connected

_ARROW: dict[ValueType, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


class PartEngine(DuckDB):
    """A DuckDB with paths that stand for a part of a file, or for a table that was handed over.

    It has one thread: a task has one core.
    """

    def __init__(self) -> None:
        room = Path(tempfile.gettempdir(), f"mlops-{uuid.uuid4().hex}", "spill")
        super().__init__(connected(room))
        self._connection.execute("set threads = 1")
        self._handed: dict[Path, str] = {}
        self._count = 0
        self._splits: dict[Path, Split] = {}
        self._read: Split | None = None  # while its relation is written

    def narrow(self, split: Split) -> Path:
        """A path whose relations have the rows of the split alone; its file stays whole."""
        if not split.path.exists():
            raise EnvironmentFault(
                f"a worker finds no {split.path}",
                hint="put the project on a file system that all workers share, at the same path",
            )
        alias = Path("part of a task", split.path.name)
        self._splits[alias] = split
        return alias

    def put(self, path: Path, table: pa.Table) -> None:
        """From now on every relation of the path stands for this table, which has `__row__`."""
        self._count += 1
        self._handed[path] = f"handed_{self._count}"
        self._natives.pop(path, None)
        self._connection.register(self._handed[path], table)

    def raw(self, path: Path) -> str:
        """See `Engine.raw`."""
        if path in self._handed:
            return f"(select * from {self._handed[path]})"
        if path == self._chunked or path not in self._splits:
            return super().raw(path)
        with self._reading(path) as split:
            return _cut(split, super().raw(split.path))

    def _selected(self, path: Path, cells: Sequence[str]) -> str:
        if path in self._handed:
            return f"(select {', '.join([*cells, ROW])} from {self._handed[path]})"
        if path == self._chunked or path not in self._splits:
            return super()._selected(path, cells)
        with self._reading(path) as split:
            return _cut(split, super()._selected(split.path, cells))

    @contextmanager
    def _reading(self, path: Path) -> Iterator[Split]:
        self._read = self._splits[path]
        try:
            yield self._read
        finally:
            self._read = None

    def _numbered(self, path: Path) -> tuple[str, str]:
        row, source = super()._numbered(path)
        if self._read is None or self._read.stop is None or row == "file_row_number":
            return row, source
        # The number of a file is what its reader skips files by; a sum is not.
        files = ", ".join(map(str, self._files_of(self._read, path)))
        return "file_row_number", (
            f"(select * exclude (file_row_number), {row} as file_row_number from {source} "
            f"where file_index in ({files}))"
        )

    def _files_of(self, split: Split, path: Path) -> list[int]:
        starts, stop = [*self._starts[path].values()], split.stop or 0
        ends = [*starts[1:], stop]
        return [
            i
            for i, (start, end) in enumerate(zip(starts, ends, strict=True))
            if start < stop and end > split.start
        ]

    def _native(self, path: Path, forms: Forms) -> dict[str, str]:
        return super()._native(self._real(path), forms)

    def _form(self, path: Path) -> CsvForm | None:
        return None if path in self._handed else super()._form(self._real(path))

    def _durations(self, path: Path, native: Mapping[str, str]) -> dict[str, str]:
        return {} if path in self._handed else super()._durations(path, native)

    def _real(self, path: Path) -> Path:
        return self._splits[path].path if path in self._splits else path


def _cut(split: Split, relation: str) -> str:
    if split.stop is None:
        return relation
    return f"(select * from {relation} where {ROW} >= {split.start} and {ROW} < {split.stop})"


def no_rows(types: Mapping[str, ValueType]) -> pa.Table:
    """A table of these columns and `__row__`, for a task that nothing was sent to."""
    columns = {name: pa.array([], _ARROW[kind]) for name, kind in types.items()}
    return pa.table({**columns, ROW: pa.array([], pa.int64())})


@contextmanager
def parts_folder(project: Project) -> Iterator[Path]:
    """A folder of the project for what tasks write; it is removed at the end."""
    folder = project.cache / f"parts-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read_parts(paths: Sequence[Path]) -> str:
    """A relation of the rows of Parquet files of one schema, in their order."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


def key_number(names: Sequence[str], cells: int) -> str:
    """SQL: of which of so many cells a row is, by the columns `names`."""
    if not names:
        return "0"
    return f"cast(hash({', '.join(map(quote, names))}) % {cells} as bigint)"
