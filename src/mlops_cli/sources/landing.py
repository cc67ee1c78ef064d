"""The folder that rows land in: numbered Parquet files, each whole, each with how far it goes.

How far a source was read stands in the files themselves (`mlops.mark` in their metadata), so that
rows and mark are there together or not at all, whatever is killed when.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli._files import sync
from mlops_cli._json import canonical_json
from mlops_cli.errors import DataError
from mlops_cli.sources.base import Landed, Part
from mlops_cli.sources.schema import conform, cut_moments, evolve, plain

_MARK = b"mlops.mark"
_GROUP = 131_072  # rows of a row group


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
            rows = _written(aside, first, batches, schema, part)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync(aside)
        return Landed(number, rows, dict(part.mark))

    def commit(self, part: Landed) -> None:
        """Let a part that was written take its place, at once and for good."""
        self._aside(part.number).replace(self._file(part.number))
        sync(self._folder)
        self._parts[part.number] = part
        self._schemas[part.number] = _schema_of(self._file(part.number))

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
) -> int:
    rows, kind = 0, schema
    if first is not None:
        kind = first.schema if schema is None else evolve(schema, first.schema, "the new rows")
    with pq.ParquetWriter(file, kind, compression="zstd") as writer:
        batch = first
        while batch is not None:
            evolve(kind, batch.schema, "the new rows")
            writer.write_batch(conform(batch, kind), row_group_size=_GROUP)
            rows += batch.num_rows
            batch = next(batches, None)
        writer.add_key_value_metadata({_MARK: canonical_json(part.mark)})
    return rows


def _read(file: Path) -> Landed:
    try:
        metadata = pq.read_metadata(file)
        mark: Any = json.loads(metadata.metadata[_MARK])
        return Landed(int(file.stem), metadata.num_rows, mark)
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as e:
        raise DataError(
            f"{file} is no file that an ingest wrote",
            hint="put it elsewhere, or give data.name another name",
        ) from e
