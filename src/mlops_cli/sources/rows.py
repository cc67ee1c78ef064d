"""The rows of a file that are asked for: columns and bounds go down to the reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.config.sections.source import FILES
from mlops_cli.errors import DataError, UsageError
from mlops_cli.sources.base import Part
from mlops_cli.sources.json_lines import fault_of, table_of
from mlops_cli.sources.parquet import open_parquet
from mlops_cli.sources.watermark import mark_of
from mlops_cli.sources.windows import Window
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW, quote

_LINES = 50_000
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")


class Rows:
    """What is read of one file. `unmarked` rows of it have no watermark, and are not brought."""

    def __init__(
        self, window: Window, columns: Sequence[str] | None, schema: pa.Schema | None
    ) -> None:
        self.name, self._window, self._columns = window.file, window, columns
        self._bounds, self._schema = window.bounds, schema
        found = _PARTITION.findall(str(Path(self.name).parent))
        self._folders = {name: _constant(text) for name, text in found}
        self._highest: pa.Scalar | None = None
        self._to_the_end = True
        self.unmarked = 0

    @property
    def in_pieces(self) -> bool:
        """Whether not all of the file is asked for."""
        bounds = self._bounds
        cut = bounds is not None and (bounds.since or bounds.above or bounds.until) is not None
        return cut or self._columns is not None

    @property
    def may_be(self) -> bool:
        """Whether the folders' names leave any."""
        bounds = self._bounds
        folder = self._folders.get(bounds.column) if bounds is not None else None
        return bounds is None or folder is None or bounds.hold(folder)

    def part(self, batches: Iterator[pa.RecordBatch]) -> Part:
        """The part that they are, with how far it goes."""
        window, bounds = self._window, self._bounds
        mark: dict[str, Any] = {"file": window.file, "stamp": window.stamp}
        if self._columns is not None:
            mark["columns"] = list(self._columns)
        if bounds is not None:
            mark |= {"by": bounds.column, "since": bounds.since, "above": bounds.above}
            mark["until"] = bounds.until

        def told() -> Iterator[pa.RecordBatch]:
            yield from batches
            if self._highest is not None:
                mark.update(mark_of(self._highest))
            if bounds is not None and self._to_the_end:
                mark["until"] = None

        whole = bounds is None or (bounds.until is None and self.may_be)
        return Part(told(), mark, window.number, keeps_mark=whole or window.number is not None)

    def of_parquet(self, file: Any) -> Iterator[pa.RecordBatch]:
        """The rows of a Parquet file; raises `DataError` for what is none."""
        with open_parquet(file, self.name) as parquet:
            kind = self._kind(parquet.schema)
            wanted = self._bounds.wanted(kind) if self._bounds and kind else None
            beyond = self._bounds.beyond(kind) if self._bounds and kind else None
            if beyond is not None:
                self._to_the_end = not parquet.groups(beyond)
            if self._bounds and kind and self._bounds.above is None:
                self.unmarked = parquet.nulls(self._bounds.column)
            names = self._asked(parquet.schema.names)
            for batch in parquet.batches(parquet.groups(wanted), names):
                yield self._cut(batch, wanted)

    def of_text(self, file: Path) -> Iterator[pa.RecordBatch]:
        """The rows of CSV or JSON lines, which are read whole."""
        csv = self.name.lower().endswith(FILES)
        for batch in self._of_csv(file) if csv else self._of_json(file):
            kind = self._kind(batch.schema)
            bounds = self._bounds if kind is not None else None
            if bounds is not None and bounds.above is None:
                self.unmarked += batch.column(bounds.column).null_count
            if bounds is not None and (beyond := bounds.beyond(kind)) is not None:
                self._to_the_end = self._to_the_end and not batch.filter(beyond).num_rows
            names = self._asked(batch.schema.names)
            asked = batch if names is None else batch.select(names)
            yield self._cut(asked, bounds.wanted(kind) if bounds is not None else None)

    def _kind(self, schema: pa.Schema) -> pa.DataType | None:
        """The type of the watermark in the file; None without one, and of one of the folders."""
        if self._bounds is None or self._bounds.column in self._folders:
            return None
        if self._bounds.column not in schema.names:
            raise UsageError(
                f"{self.name} has no column {self._bounds.column!r}, which is data.table.watermark",
                hint=f"it has {', '.join(schema.names[:20])}",
            )
        return schema.field(self._bounds.column).type

    def _asked(self, names: Sequence[str]) -> list[str] | None:
        """Those of the file's columns that are asked for; None for all.

        Raises `UsageError` for one that neither the file nor what landed has.
        """
        if self._columns is None:
            return None
        known = {*names, *self._folders, *(self._schema.names if self._schema else ())}
        if absent := [name for name in self._columns if name not in known]:
            raise UsageError(
                f"{self.name} has no column {absent[0]!r}", hint="see data.table.columns"
            )
        return [name for name in self._columns if name in names]

    def _cut(self, batch: pa.RecordBatch, wanted: pc.Expression | None) -> pa.RecordBatch:
        """The rows within the bounds, with what the folders say of them."""
        if wanted is not None:
            batch = batch.filter(wanted)
        for name, value in self._folders.items():
            asked = self._columns is None or name in self._columns
            if asked and name not in batch.schema.names:
                column = pa.array([value.as_py()] * batch.num_rows, value.type)
                batch = batch.append_column(name, column)
        if self._bounds is not None and batch.num_rows:
            most = pc.max(batch.column(self._bounds.column))
            if self._highest is None or most.as_py() > self._highest.as_py():
                self._highest = most
        return batch

    def _of_csv(self, file: Path) -> Iterator[pa.RecordBatch]:
        with open_engine() as engine:
            forms = {c.name: c.type for c in engine.columns(file) if c.type is not None}
            names = self._asked(list(forms)) or list(forms)
            forms = {name: forms[name] for name in names}
            listed = ", ".join(map(quote, forms))
            relation = engine.typed(file, forms)
            yield from engine.batches(f"select {listed} from {relation} order by {ROW}")

    def _of_json(self, file: Path) -> Iterator[pa.RecordBatch]:
        lines, schema = list[bytes](), self._schema
        with file.open("rb") as content:
            for number, line in enumerate(content, 1):
                if not line.strip():
                    continue
                if fault := fault_of(line):
                    where = f"{self.name}, line {number}"
                    raise DataError(f"{where}: {fault}", hint="one JSON object a line")
                lines.append(line)
                if len(lines) == _LINES:
                    table = table_of(lines, schema, f"the lines of {self.name}")
                    schema, lines = schema or table.schema, []
                    yield from table.to_batches()
        if lines:
            yield from table_of(lines, schema, f"the lines of {self.name}").to_batches()


def _constant(text: str) -> pa.Scalar:
    """What a folder's name says: 01 beside 10 is a number, whatever it is filled with."""
    if re.fullmatch(r"-?\d{1,18}", text):
        return pa.scalar(int(text), pa.int64())
    missing = text in ("", "__HIVE_DEFAULT_PARTITION__")
    return pa.scalar(None if missing else text, pa.string())
