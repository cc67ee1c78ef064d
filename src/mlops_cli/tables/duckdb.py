"""The reference engine: DuckDB."""

from __future__ import annotations

import base64
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from mlops_cli._files import replacing
from mlops_cli.cores import cores
from mlops_cli.errors import DataError, UsageError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.expressions.values import MISSING
from mlops_cli.tables.base import (
    DURATION,
    OWN,
    RESERVED,
    ROW,
    SOURCE,
    Column,
    Forms,
    form_of,
    literal,
    quote,
)
from mlops_cli.tables.casts import cast_sql, source_sql
from mlops_cli.tables.csv_form import CsvForm, read_form
from mlops_cli.tables.durations import duration_units, with_units
from mlops_cli.tables.faults import reading_fault
from mlops_cli.tables.file_watch import FileWatch, parts_of
from mlops_cli.tables.python_functions import PythonFunctions

_TYPES: tuple[tuple[str, ValueType], ...] = (
    (r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|U?INT\d*)$", "integer"),
    (r"(FLOAT|DOUBLE|REAL|DECIMAL.*)$", "float"),
    (r"BOOLEAN$", "boolean"),
    (r"DATE$", "date"),
    (r"(TIMESTAMP.*|DATETIME)$", "timestamp"),  # TIMESTAMPTZ_NS is what pandas writes
    (r"(VARCHAR|ENUM.*|UUID|TIME(_NS)?)$", "text"),
    (DURATION, "float"),  # which DuckDB takes for whole numbers
)
CSV = (".csv", ".csv.gz", ".tsv", ".txt")
PARQUET = (".parquet", ".pq")
_CHUNK = "__chunk__"
_MEMORY = "1GB"  # what needs more, such as the sort of a large table, spills to the disk
_A_DURATION = b"\x12"  # Arrow's number of the type: it stands in every schema that names one
_INFINITE = ("inf", "-inf", "Inf", "-Inf", "infinity", "-infinity", "Infinity", "-Infinity")


def open_engine(temporary: Path | None = None, memory: str | None = None) -> DuckDB:
    """The engine of this process."""
    return DuckDB(connected(temporary, memory))


def connected(
    temporary: Path | None = None, memory: str | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory, in UTC, that fetches nothing from the network."""
    settings: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # Its time grows with the square of the columns: 13 of 15 s for a query of 3,000.
        "disabled_optimizers": "statistics_propagation",
    }
    if temporary is not None:
        settings["temp_directory"] = str(_room(temporary))
        settings["memory_limit"] = memory or _MEMORY
    connection = duckdb.connect(":memory:", config=settings)
    # Globally: `batches` reads by a cursor, which is a session of its own.
    connection.execute("set global TimeZone = 'UTC'")
    return _silent(connection)


def _room(temporary: Path) -> Path:
    """Where to put what does not fit: there, or in the system's folder if that cannot be written.

    DuckDB makes the last folder alone, when it needs it, and removes it.
    """
    with suppress(OSError):
        temporary.parent.mkdir(parents=True, exist_ok=True)
    if os.access(temporary.parent, os.W_OK):
        return temporary
    return Path(tempfile.gettempdir()) / f"mlops-{uuid.uuid4().hex}"


class DuckDB:
    """`Engine` on one DuckDB connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._forms: dict[Path, CsvForm | None] = {}
        self._sightings = FileWatch()
        self._natives: dict[Path, dict[str, str]] = {}
        self._starts: dict[Path, dict[Path, int]] = {}  # of a folder's parts
        self._chunked: Path | None = None
        self._functions = PythonFunctions()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()
        if exc[0] is None:
            self._sightings.check()

    def check_steady(self) -> None:
        """See `Engine.check_steady`."""
        self._sightings.check()

    def columns(self, path: Path) -> list[Column]:
        """See `Engine.columns`."""
        form = self._form(path)
        # What is written for a missing or an infinite number must not make a column text.
        words = f"sample_size = -1, nullstr = [{', '.join(map(literal, (*MISSING, *_INFINITE)))}]"
        reader = _read_csv(path, form, words) if form else self._read_parquet(path)
        found = self.rows(f"describe select * from {reader}")
        if not found:
            raise DataError(f"{path} has no columns", hint="is it the right file?")
        native = {n: t for n, t, *_ in found if n != ROW}
        native |= self._durations(path, native)
        return [Column(n, _type_of(t), t) for n, t in native.items()]

    def raw(self, path: Path) -> str:
        """See `Engine.raw`."""
        if path == self._chunked:
            return f"(select * from {_CHUNK})"
        if form := self._form(path):
            reader = _read_csv(path, form, "all_varchar = true")
            return f"(select *, row_number() over () - 1 as {ROW} from {reader})"
        return self._read_parquet(path)

    def typed(self, path: Path, forms: Forms) -> str:
        """See `Engine.typed`."""
        native = self._native(path, forms)
        cells = [f"{cast_sql(n, native[n], form_of(f))} as {quote(n)}" for n, f in forms.items()]
        return self._selected(path, cells)

    def typed_with_source(self, path: Path, forms: Forms) -> str:
        """See `Engine.typed_with_source`."""
        native = self._native(path, forms)
        read = [(n, native[n], form_of(f)) for n, f in forms.items()]
        cells = [f"{cast_sql(*column)} as {quote(column[0])}" for column in read]
        cells += [f"{source_sql(*column)} as {quote(SOURCE + column[0])}" for column in read]
        return self._selected(path, cells)

    def _selected(self, path: Path, cells: Sequence[str]) -> str:
        if path == self._chunked or self._form(path):
            return f"(select {', '.join([*cells, ROW])} from {self.raw(path)})"
        # Not by `raw`: to name each column of a wide file once more costs more than to read a few.
        row, source = self._numbered(path)
        return f"(select {', '.join([*cells, f'{row} as {ROW}'])} from {source})"

    def _read_parquet(self, path: Path) -> str:
        row, source = self._numbered(path)
        if row == "file_row_number":
            return f"(select * rename ({row} as {ROW}) from {source})"
        return f"(select * exclude (file_row_number), {row} as {ROW} from {source})"

    def _numbered(self, path: Path) -> tuple[str, str]:
        """SQL of a row's number in the table, and of what it is read from."""
        if not path.is_dir():
            return "file_row_number", f"read_parquet({literal(str(path))}, file_row_number = true)"
        if path not in self._starts:
            self._starts[path] = self._starts_of(path)
        parts = ", ".join(literal(str(part)) for part in self._starts[path])
        starts = ", ".join(map(str, self._starts[path].values()))
        return (
            f"file_row_number + list_value({starts})[file_index::bigint + 1]",
            f"read_parquet([{parts}], file_row_number = true, union_by_name = true, "
            "hive_partitioning = false)",
        )

    def _starts_of(self, path: Path) -> dict[Path, int]:
        """The parts of a folder, and the number of the first row of each in the whole table."""
        starts, start = {}, 0
        for part in parts_of(path):
            starts[part] = start
            counted = f"select num_rows from parquet_file_metadata({literal(str(part))})"
            start += int(self.rows(counted)[0][0])
        return starts

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """See `Engine.rows`."""
        with self._errors(sql):
            return self._connection.execute(sql, parameters or {}).fetchall()

    def rows_of_each(self, queries: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """See `Engine.rows_of_each`."""
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(self._rows_apart, queries))

    def _rows_apart(self, sql: str) -> list[tuple[Any, ...]]:
        with self._errors(sql), _silent(self._connection.cursor()) as session:
            return session.execute(sql).fetchall()

    def arrow(self, sql: str) -> pa.Table:
        """See `Engine.arrow`."""
        with self._errors(sql):
            return self._connection.sql(sql).to_arrow_table()

    def batches(self, sql: str, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """See `Engine.batches`."""
        with self._errors(sql):
            for batch in _silent(self._connection.cursor()).sql(sql).to_arrow_reader(rows):
                self._functions.check()
                yield batch

    def chunks(self, path: Path, *, rows: int) -> Iterator[pa.RecordBatch | pa.Table]:
        """See `Engine.chunks`."""
        # By the file itself: on its way to Arrow a type may become another.
        units = _units(self._native(path, {}))
        whole = f"select * from {self.raw(path)}"
        self._chunked = path
        try:
            seen = False
            for chunk in self.batches(whole, rows=rows):
                if chunk.num_rows:
                    seen = True
                    yield self._put(chunk, units)
            if not seen:
                yield self._put(self.arrow(f"{whole} limit 0"), units)
        finally:
            self._chunked = None

    def _put(
        self, chunk: pa.RecordBatch | pa.Table, units: Mapping[str, str]
    ) -> pa.RecordBatch | pa.Table:
        self._connection.register(_CHUNK, chunk)
        return with_units(chunk, units) if units else chunk

    def write_parquet(self, sql: str, path: Path) -> int:
        """See `Engine.write_parquet`."""
        with replacing(path) as temporary, self._errors(sql):
            target = literal(str(temporary))
            options = "format parquet, compression zstd, row_group_size 131072"
            result = self._connection.execute(f"copy ({sql}) to {target} ({options})").fetchall()
            return int(result[0][0])

    @contextmanager
    def _errors(self, sql: str) -> Iterator[None]:
        try:
            self._functions.have(self._connection, sql)
            yield
            self._functions.check()
        except duckdb.Error as e:
            self._functions.check()
            self._sightings.check()
            read = [path for path in self._forms if literal(str(path)) in sql]
            raise reading_fault(str(e), read) from e
        except RuntimeError as e:
            if "interrupted" in str(e):  # so DuckDB tells of Ctrl-C
                raise KeyboardInterrupt from e
            raise

    def _native(self, path: Path, forms: Forms) -> dict[str, str]:
        if path not in self._natives:
            described = {n: t for n, t, *_ in self._described(path)}
            self._natives[path] = described | self._durations(path, described)
        native = self._natives[path]
        if missing := [name for name in forms if name not in native]:
            raise DataError(
                f"{path} has no column {missing[0]!r}",
                hint=f"it has {', '.join(list(native)[:20])}",
            )
        for name in _units(native):
            if (wanted := form_of(forms.get(name, "float")).type) != "float":
                raise DataError(
                    f"{path.name}: {name!r} holds durations, which are read as seconds: it is "
                    f"float, and not {wanted}",
                    hint=f"in its contract write `type: float` for {name!r} (min and max in "
                    "seconds), then `mlops run`: a model fitted on whole numbers cannot be used",
                )
        return native

    def _durations(self, path: Path, native: Mapping[str, str]) -> dict[str, str]:
        """Native types of our own for those columns of a Parquet file that are durations."""
        if self._form(path) or path.is_dir():  # what is ingested has them as seconds
            return {}
        found = self.rows(
            f"select value from parquet_kv_metadata({literal(str(path))}) "
            "where key = 'ARROW:schema'::blob"
        )
        try:
            schema = base64.b64decode(found[0][0]) if found else b""
            if _A_DURATION not in schema:
                return {}
            units = duration_units(schema)
        except ValueError as e:
            raise DataError(
                f"{path.name}: the Arrow schema in its metadata cannot be read: {str(e)[:200]}",
                hint="write the file again",
            ) from e
        return {n: DURATION + unit for n, unit in units.items() if native.get(n) == "BIGINT"}

    def _form(self, path: Path) -> CsvForm | None:
        """A CSV file's form, None for Parquet; its names are checked once."""
        if path not in self._forms:
            self._sightings.note(path)
            self._forms[path] = form = read_form(path) if _is_csv(path) else None
            _check_names(path, form.names if form else self._parquet_names(path))
        return self._forms[path]

    def _parquet_names(self, path: Path) -> list[str]:
        # As the file has them: a query gives a name that occurs twice another ending.
        if path.is_dir():
            each = [self._parquet_names(part) for part in parts_of(path)]
            return list(dict.fromkeys(chain.from_iterable(each)))
        found = self.rows(f"select name, num_children from parquet_schema({literal(str(path))})")
        names: list[str] = []
        inside = 0
        for name, children in found[1:]:
            if not inside:
                names.append(name)
            inside = max(0, inside - 1) + (children or 0)
        return names

    def _described(self, path: Path) -> list[tuple[Any, ...]]:
        found = self.rows(f"describe select * from {self.raw(path)}")
        return [row for row in found if row[0] != ROW]


def _silent(session: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    # A query of some seconds would draw a progress bar on standard output.
    return session.execute("set enable_progress_bar = false")


def _is_csv(path: Path) -> bool:
    name = path.name.lower()
    if parts_of(path):
        return False
    if not path.is_file():
        raise UsageError(f"no such file: {path}", hint="check the path")
    if name.endswith(CSV):
        return True
    if name.endswith(PARQUET):
        return False
    raise UsageError(
        f"{path.name}: unknown ending", hint=f"known are {', '.join((*CSV, *PARQUET))}"
    )


def _check_names(path: Path, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in filter(None, names):
        if name.lower() in RESERVED or name.lower().startswith(OWN):
            raise DataError(
                f"{path.name} has a column {name!r}, a name that is used for something else here",
                hint="rename the column",
            )
        if (twin := seen.get(name.lower())) is not None:
            raise DataError(
                f"{path.name} has two columns of one name: {twin!r} and {name!r}",
                hint="rename one of them; names must differ in more than their case",
            )
        seen[name.lower()] = name


def _read_csv(path: Path, form: CsvForm, options: str) -> str:
    # null_padding and ignore_errors stay off: a broken line is an error, not a guess. Quotes are
    # those of RFC 4180: a guess would take the apostrophes of 'x' for quotes, and costs more than
    # all else on a wide file.
    given = f"header = true, delim = {literal(form.delimiter)}, skip = {form.blank}"
    given += ", quote = '\"', escape = '\"'"
    if all(form.names):  # said, or a column named `null` would have none
        given += f", names = [{', '.join(map(literal, form.names))}]"
    return f"read_csv({literal(str(path))}, {given}, {options})"


def _type_of(native: str) -> ValueType | None:
    return next((t for pattern, t in _TYPES if re.match(pattern, native)), None)


def _units(native: Mapping[str, str]) -> dict[str, str]:
    """The unit of each duration among native types."""
    return {n: t.removeprefix(DURATION) for n, t in native.items() if t.startswith(DURATION)}
