"""The port of an engine: SQL in DuckDB's dialect over files, Arrow out.

Every engine runs in UTC. A relation is SQL text that stands in a FROM clause. Row numbers
(`__row__`) count a file's rows from 0, in the file's order, and are the same in every read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mlops_cli.expressions.tree import ValueType

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

ROW = "__row__"
SOURCE = "__source__"
DURATION = "DURATION "
"""What the native type of durations begins with; their unit follows."""
OWN = "__mlops_"
"""What the names of columns begin with that queries carry beside those of a table."""
RESERVED = frozenset((ROW, "__time__", "__target__", "__known__", "__at__", "file_row_number"))
"""Names that queries give to columns of their own; lower case, since SQL knows no other."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file, as the engine sees it; `type` is None for what has no scalar type."""

    name: str
    type: ValueType | None
    native: str


@dataclass(frozen=True, slots=True)
class ColumnForm:
    """A column's type, and how the file may write its values.

    `missing` are texts that stand for a missing value, beside those that always do so
    (`expressions.values.missing_words`); `format` is that of dates and moments which are not
    ISO 8601, see `expressions.moments`, or of numbers that are not as a program writes them, see
    `expressions.decimal_comma`.
    """

    type: ValueType
    missing: tuple[str, ...] = ()
    format: str | None = None


Forms = Mapping[str, ValueType | ColumnForm]
"""The columns to read by name; a bare type is of the usual form."""


def form_of(form: ValueType | ColumnForm) -> ColumnForm:
    """A bare type as a form."""
    return form if isinstance(form, ColumnForm) else ColumnForm(form)


class Engine(Protocol):
    """What the stages need of an engine; a context manager that frees it."""

    def __enter__(self) -> Engine:
        """The engine itself."""

    def __exit__(self, *exc: object) -> None:
        """Free connections and temporary files; then, if all went well, as `check_steady`."""

    def check_steady(self) -> None:
        """Raise `DataError` naming a file that changed since its first read; watch it no longer."""

    def columns(self, path: Path) -> list[Column]:
        """The columns of a CSV or Parquet file, types sniffed over the whole file.

        Raises `DataError` for a file that cannot be read, has no columns, or names one twice
        (in whatever case) or by a name in `RESERVED`.
        """

    def raw(self, path: Path) -> str:
        """A relation of the file as it stands (CSV: all text), with `__row__`.

        Durations of a Parquet file are whole numbers of the file's unit here, and seconds in a
        typed relation.
        """

    def typed(self, path: Path, forms: Forms) -> str:
        """A relation of the file's columns named in `forms`, cast to their types, with `__row__`.

        A value that cannot be cast becomes null (`contracts` finds it and says where). Durations
        are seconds. Raises `DataError` naming a column that the file lacks, or one of durations
        that is to be anything but a float.
        """

    def typed_with_source(self, path: Path, forms: Forms) -> str:
        """As `typed`, and beside each column its value in the file, as `__source__NAME`.

        The source is null for a NaN, and for a text that stands for a missing value: null beside
        a source is a value that cannot be cast.
        """

    def rows(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> list[tuple[Any, ...]]:
        """All rows of a small result."""

    def rows_of_each(self, queries: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """The rows of several queries that run side by side: one of a small file has one thread."""

    def arrow(self, sql: str) -> pa.Table:
        """The whole result in memory."""

    def batches(self, sql: str, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """The result as a stream, in bounded memory."""

    def chunks(self, path: Path, *, rows: int) -> Iterator[pa.RecordBatch | pa.Table]:
        """The file as `raw` has it, in its order, some `rows` at a time; of no rows, one chunk.

        Durations are of Arrow's type, as a Parquet file should have them again.

        While a chunk is looked at, every relation of the file stands for these rows alone: what is
        asked of them (a join in time, a sort) takes memory by the chunk, not by the file.
        """

    def write_parquet(self, sql: str, path: Path) -> int:
        """Stream the result, in its order, to one Parquet file (whole or not at all); its rows."""


def in_groups(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items in groups of `size`, each for a query of its own.

    DuckDB's time is more than quadratic in the columns of one query, and linear in the queries,
    though each reads a CSV file anew.
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_nan(sql: str) -> str:
    """SQL: whether a float is NaN; null of null.

    DuckDB 2.0 takes its own `isnan` for false over a Parquet file whose statistics show no null:
    they do not count NaN.
    """
    return f"case when isfinite({sql}) then false else not isinf({sql}) end"


def quote(name: str) -> str:
    """A column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
