"""A Parquet file of which only what is asked for is read: columns, and row groups by statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from mlops_cli.errors import DataError

_BATCH = 131_072


class ParquetRows:
    """An open file; its footer is read, and nothing else."""

    def __init__(self, file: pa.NativeFile) -> None:
        self._file = file
        self._parquet = pq.ParquetFile(file, pre_buffer=True)
        self.schema: pa.Schema = self._parquet.schema_arrow

    def nulls(self, column: str) -> int:
        """How many values are null, as far as the footer says."""
        metadata, nulls = self._parquet.metadata, 0
        leaf = _leaf_of(metadata, column)
        for group in range(metadata.num_row_groups if leaf is not None else 0):
            told = metadata.row_group(group).column(leaf).statistics
            nulls += told.null_count if told is not None and told.has_null_count else 0
        return nulls

    def groups(self, wanted: pc.Expression | None) -> list[int]:
        """The row groups that may have such a row, by their statistics."""
        if wanted is None:
            return list(range(self._parquet.num_row_groups))
        fragment = ds.ParquetFileFormat().make_fragment(self._file)
        subset = fragment.subset(filter=wanted, schema=self.schema)
        return [group.id for group in subset.row_groups]

    def batches(
        self, groups: Sequence[int], columns: Sequence[str] | None
    ) -> Iterator[pa.RecordBatch]:
        """Their rows, a group at a time."""
        for group in groups:
            yield from self._parquet.iter_batches(_BATCH, row_groups=[group], columns=columns)


@contextmanager
def open_parquet(file: Any, name: str) -> Iterator[ParquetRows]:
    """The file of a path, or what is read as one; raises `DataError` for one that is broken."""
    try:
        with pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file, "r") as opened:
            yield ParquetRows(opened)
    except (OSError, pa.ArrowException) as e:
        said = " ".join(str(e).split())[:200]
        raise DataError(f"{name} cannot be read: {said}", hint="bring the file again") from e


def _leaf_of(metadata: pq.FileMetaData, column: str) -> int | None:
    """Where its values stand: columns of columns have several places."""
    names = (metadata.schema.column(i).path for i in range(metadata.num_columns))
    return next((place for place, path in enumerate(names) if path == column), None)
