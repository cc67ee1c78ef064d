"""Find the rows of one subject in a table's file, and write the file again without them.

In bounded memory: rows stream by batches, and only the numbers of those that go are kept.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_cli.errors import DataError
from mlops_cli.tables.base import ROW, Engine, literal, quote
from mlops_cli.tables.csv_form import read_form

Numbers = NDArray[np.int64]
_BATCH = 65_536
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"


def ending_of(path: Path) -> str:
    """`.parquet`, `.csv.gz` or `.csv`, by how the file begins: objects of DVC have no ending."""
    with path.open("rb") as file:
        head = file.read(4)
    return ".parquet" if head == _PARQUET else ".csv.gz" if head[:2] == _GZIP else ".csv"


def names_of(path: Path) -> tuple[str, ...]:
    """The columns of a table's file; none of what is no table."""
    try:
        if ending_of(path) == ".parquet":
            with pq.ParquetFile(path) as file:
                return tuple(file.schema_arrow.names)
        return read_form(path).names
    except (DataError, pa.ArrowInvalid, OSError, ValueError):
        return ()


def count_rows(path: Path) -> int:
    """How many rows a Parquet file has."""
    return int(pq.read_metadata(path).num_rows)


def numbers_of(engine: Engine, path: Path, columns: Sequence[str], value: str) -> Numbers:
    """The ascending numbers (from 0) of the rows where one of `columns` holds `value`.

    A value is compared as text, without white space around it; what is written as 7.0 is 7, too.
    The engine reads CSV files, whose name must have that ending; a Parquet file may be one of
    ours, whose columns have names that it keeps for itself.
    """
    if ending_of(path) == ".parquet":
        return np.array([*_of_parquet(path, columns, value)], np.int64)
    asked = " or ".join(_is(quote(name), value) for name in columns)
    found = engine.rows(f"select {ROW} from {engine.raw(path)} where {asked}")
    return np.sort(np.array([row[0] for row in found], np.int64))


def _of_parquet(path: Path, columns: Sequence[str], value: str) -> Iterator[int]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        start = 0
        for batch in file.iter_batches(_BATCH, columns=list(columns)):
            found = np.zeros(batch.num_rows, bool)
            for cells in batch.columns:
                text = pc.utf8_trim_whitespace(pc.cast(cells, pa.string()))
                text = pc.replace_substring_regex(text, pattern=r"\.0+$", replacement="")
                found |= np.asarray(pc.equal(text, _plain(value)).fill_null(False))
            yield from (start + np.flatnonzero(found)).tolist()
            start += batch.num_rows


def is_value(text: object, value: str) -> bool:
    """Whether what stands in a table or in JSON is the value, by the same rule."""
    return text is not None and re.sub(r"\.0+$", "", str(text).strip()) == _plain(value)


def _plain(value: str) -> str:
    return re.sub(r"\.0+$", "", value.strip())


def _is(cell: str, value: str) -> str:
    text = f"regexp_replace(trim(cast({cell} as varchar)), '\\.0+$', '')"
    return f"coalesce({text} = {literal(_plain(value))}, false)"


def write_without(path: Path, numbers: Numbers, destination: Path) -> None:
    """Write the file to `destination` without the rows of these numbers, all else as it is.

    Of a CSV file every other byte stays; of a Parquet file columns, types and order do.
    """
    if ending_of(path) == ".parquet":
        rewrite(path, destination, lambda batch, start: _without(batch, start, numbers))
        return
    with _open(path, "rb") as lines, _open(destination, "wb", like=path) as file:
        going = iter(numbers.tolist())
        following = next(going, None)
        for number, record in enumerate(_records(lines), -1):  # the header is -1
            if number == following:
                following = next(going, None)
            else:
                file.write(record)


def drop_numbers(path: Path, column: str, numbers: Numbers, destination: Path, only: str) -> int:
    """Write a Parquet file without the rows that `column` numbers, the others numbered anew.

    The number of a row is that of a row of another table, from which these went. With `only`
    (`COLUMN=VALUE`) other rows stay as they are. Returns how many went.
    """
    gone = 0

    def change(batch: pa.RecordBatch, _: int) -> pa.RecordBatch:
        nonlocal gone
        of_it = _are(batch, only)
        values = np.asarray(batch.column(column).fill_null(-1)).astype(np.int64)
        new = values - np.where(of_it, np.searchsorted(numbers, values), 0)
        at = batch.schema.get_field_index(column)
        array = pa.array(new, batch.schema.field(at).type, mask=values < 0)
        go = of_it & np.isin(values, numbers)
        gone += int(go.sum())
        return batch.set_column(at, batch.schema.field(at), array).filter(pa.array(~go))

    rewrite(path, destination, change)
    return gone


def touches(path: Path, column: str, numbers: Numbers, only: str) -> tuple[int, bool]:
    """How many rows `drop_numbers` would take, and whether it would change anything."""
    gone, changed = 0, False
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for batch in file.iter_batches(_BATCH):
            of_it = _are(batch, only)
            values = np.asarray(batch.column(column).fill_null(-1)).astype(np.int64)[of_it]
            gone += int(np.isin(values, numbers).sum())
            changed = changed or bool(len(numbers) and (values >= numbers[0]).any())
    return gone, changed


def rewrite(
    path: Path, destination: Path, change: Callable[[pa.RecordBatch, int], pa.RecordBatch]
) -> None:
    """Write a Parquet file again, each batch (with the number of its first row) changed."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        codec = _codec(file)
        with pq.ParquetWriter(destination, file.schema_arrow, compression=codec) as writer:
            start = 0
            for batch in file.iter_batches(_BATCH):
                writer.write_batch(change(batch, start))
                start += batch.num_rows
            in_schema = {b"ARROW:schema", *(file.schema_arrow.metadata or {})}
            kept = {k: v for k, v in (file.metadata.metadata or {}).items() if k not in in_schema}
            if kept:  # such as how far an ingest had read
                writer.add_key_value_metadata(kept)


def _codec(file: pq.ParquetFile) -> str:
    if not file.num_row_groups or not file.metadata.num_columns:
        return "snappy"
    named = str(file.metadata.row_group(0).column(0).compression).lower()
    return "none" if named == "uncompressed" else named


def _without(batch: pa.RecordBatch, start: int, numbers: Numbers) -> pa.RecordBatch:
    first, last = np.searchsorted(numbers, [start, start + batch.num_rows])
    if first == last:
        return batch
    keep = np.ones(batch.num_rows, bool)
    keep[numbers[first:last] - start] = False
    return batch.filter(pa.array(keep))


def _are(batch: pa.RecordBatch, only: str) -> NDArray[np.bool_]:
    if not only:
        return np.ones(batch.num_rows, bool)
    name, _, value = only.partition("=")
    return np.asarray(pc.equal(batch.column(name), value).fill_null(False))


def _records(lines: IO[bytes]) -> Iterator[bytes]:
    """Records with their line ends; what is blank belongs to the record after it."""
    record, quoted = b"", False
    for line in lines:
        record += line
        if b'"' in line:
            quoted ^= line.count(b'"') % 2 == 1
        if quoted or not line.removeprefix(BOM_UTF8).strip():
            continue
        yield record
        record = b""
    if record:
        yield record


def _open(path: Path, mode: str, like: Path | None = None) -> Any:
    if ending_of(like or path) != ".csv.gz":
        return path.open(mode)
    if mode == "rb":
        return io.BufferedReader(gzip.open(path, "rb"))
    return gzip.GzipFile(path, "wb", mtime=0)  # the same rows, the same bytes


def record_values(path: Path, numbers: Numbers, most: int = 1000) -> list[dict[str, str]]:
    """The first rows of these numbers, as text by column, as `write_without` finds them."""
    first = numbers[:most]
    if ending_of(path) == ".parquet":
        with pq.ParquetFile(path, pre_buffer=False) as file:
            parts, start = [], 0
            for batch in file.iter_batches(_BATCH):
                here = first[(first >= start) & (first < start + batch.num_rows)]
                parts += batch.take(pa.array(here - start)).to_pylist()
                start += batch.num_rows
        return [{k: str(v) for k, v in row.items() if v is not None} for row in parts]
    form, wanted, found = read_form(path), set(first.tolist()), []
    with _open(path, "rb") as lines:
        for number, record in enumerate(_records(lines), -1):
            if number in wanted:
                text = record.decode("utf-8", "replace").lstrip("\r\n")
                (cells, *_) = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter)
                found.append(dict(zip(form.names, cells, strict=False)))
    return found
