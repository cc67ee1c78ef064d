"""The folder that rows land in: numbered Parquet files, each whole, each with how far it goes.

How far a source was read stands in the files themselves (`mlops.mark` in their metadata), so that
rows and mark are there together or not at all, whatever is killed when.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli._files import sync
from mlops_cli._json import canonical_json
from mlops_cli.errors import DataError
from mlops_cli.sources.base import Landed, Mark, Part
from mlops_cli.sources.schema import conform, cut_moments, evolve, plain

_MARK = b"mlops.mark"
_COLUMNS = b"mlops.columns"
_GROUP = 131_072  # rows of a row group
_NEW = "the new rows"


class Landing:
    """A folder of parts; of one process at a time. Each file is looked at once."""

    def __init__(self, folder: Path) -> None:
        """Raises `DataError` for a file in it that is none of ours."""
        self._folder = folder
        self.cut = Counter[str]()  # moments that lost what is finer than a microsecond, by column
        for left in folder.parent.glob(f".{folder.name}-*.part"):  # of one that was killed
            left.unlink()
        files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
        self._parts = {part.number: part for part in map(_read, files)}
        self._schemas = {n: _schema_of(self._file(n)) for n in self._parts}

    def landed(self) -> list[Landed]:
        """The parts in order."""
        return [self._parts[number] for number in sorted(self._parts)]

    def schema(self) -> pa.Schema | None:
        """The columns of all parts together; None where there is none.

        Raises `DataError` for parts whose columns do not fit one another.
        """
        schema: pa.Schema | None = None
        for number in sorted(self._schemas):
            found = self._schemas[number]
            known = schema is not None and schema.equals(found)
            if not known:
                schema = evolve(schema, found, self._file(number).name) if schema else found
        return schema

    def remove(self, number: int) -> None:
        """Take a part away."""
        self._file(number).unlink()
        del self._parts[number], self._schemas[number]

    def write(self, part: Part, schema: pa.Schema | None) -> Landed | None:
        """Write a part aside, for `commit`; None where it has no row and no mark to keep.

        Raises `DataError` where a column is of another type than in `schema`.
        """
        batches = self._plain(part.batches)
        first = next(batches, None)
        if first is None and not (part.keeps_mark and schema is not None):
            return None
        number = part.number or max(self._parts, default=0) + 1
        aside = self._aside(number)
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            rows, columns = _written(aside, first, batches, schema, part)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync(aside)
        return Landed(number, rows, dict(part.mark), columns)

    def commit(self, part: Landed) -> None:
        """Let a part that was written take its place, at once and for good."""
        self._aside(part.number).replace(self._file(part.number))
        sync(self._folder)
        self._parts[part.number] = part
        self._schemas[part.number] = _schema_of(self._file(part.number))

    def discard(self, part: Landed) -> None:
        """Forget a part that was written, and is not to land."""
        self._aside(part.number).unlink(missing_ok=True)

    def _plain(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                self.cut.update(cut_moments(batch))
                yield plain(batch)

    def _aside(self, number: int) -> Path:
        return self._folder.parent / f".{self._folder.name}-{number:06d}.part"

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06d}.parquet"


def _schema_of(file: Path) -> pa.Schema:
    return pq.read_schema(file).remove_metadata()


def _written(
    file: Path,
    first: pa.RecordBatch | None,
    batches: Iterator[pa.RecordBatch],
    schema: pa.Schema | None,
    part: Part,
) -> tuple[int, Mapping[str, str]]:
    kind = schema if first is None else first.schema
    if first is not None and schema is not None:
        kind = evolve(schema, first.schema, _NEW)
    with _Aside(file, kind) as aside:
        for batch in chain([first] if first is not None else [], batches):
            aside.add(batch)
        return aside.rows, aside.close(part.mark)


class _Aside:
    """A file of one part. Columns that come or widen in its middle have it written anew."""

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        self._file, self._schema = file, schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._given: pa.Schema = pa.schema([])  # by the source alone
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises `DataError` where a column is of another type than before."""
        wider = self._schema
        if not batch.schema.equals(wider):
            wider = evolve(wider, batch.schema, _NEW)
        if not batch.schema.equals(self._given):
            self._given = evolve(self._given, batch.schema, _NEW)
        if not wider.equals(self._schema):
            self._begin_again(wider)
        self._writer.write_batch(conform(batch, wider), row_group_size=_GROUP)
        self.rows += batch.num_rows

    def close(self, mark: Mark) -> Mapping[str, str]:
        """The file is whole, with how far it goes; returns the columns that the source gave."""
        given = {field.name: str(field.type) for field in self._given}
        kept = {_MARK: canonical_json(mark), _COLUMNS: canonical_json(given)}
        self._writer.add_key_value_metadata(kept)
        self._writer.close()
        return given

    def _begin_again(self, schema: pa.Schema) -> None:
        """What stands in the file with the columns of `schema`."""
        self._writer.close()
        before = self._file.with_suffix(f".before{self._file.suffix}")
        self._file.replace(before)
        self._schema = schema
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        try:
            with pq.ParquetFile(before) as written:
                for batch in written.iter_batches(_GROUP):
                    self._writer.write_batch(conform(batch, schema), row_group_size=_GROUP)
        finally:
            before.unlink()


def _read(file: Path) -> Landed:
    try:
        metadata = pq.read_metadata(file)
        mark: Any = json.loads(metadata.metadata[_MARK])
        columns = json.loads(metadata.metadata.get(_COLUMNS, b"null"))
        return Landed(int(file.stem), metadata.num_rows, mark, columns)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as e:
        raise DataError(
            f"{file} is no file that an ingest wrote",
            hint="put it elsewhere, or give data.name another name",
        ) from e
