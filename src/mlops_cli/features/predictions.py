"""Predict a stream of rows, and write the predictions beside the table's own columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mlops_cli.bundle.files import replacing
from mlops_cli.bundle.manifest import Feature, Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import UsageError
from mlops_cli.features.scoring import raw_names
from mlops_cli.progress import Progress
from mlops_cli.serving.models import load_model
from mlops_cli.serving.predictions import prediction_columns
from mlops_cli.tables.base import ROW, Engine, quote
from mlops_cli.tables.matrix import encode

CHUNK = 65_536
_CSV = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")


def check_destination(destination: Path) -> None:
    """Raises `UsageError` for an ending that is neither CSV's nor Parquet's."""
    if not destination.name.lower().endswith((*_CSV, *_PARQUET)):
        raise UsageError(
            f"{destination.name}: unknown ending",
            hint=f"predictions are written as {', '.join((*_CSV, *_PARQUET))}",
        )


def predict_file(
    engine: Engine, bundle: Bundle, files: tuple[Path, Path], features: str, progress: Progress
) -> int:
    """Predict every row of the first of `files` and write its columns and the predictions to the
    second, whole or not at all, in the rows' order and in bounded memory; the number of rows.

    `features` is a query that gives inputs and row features by `__row__`. Raises `UsageError`
    where the table has a column of a prediction's name.
    """
    source, destination = files
    model = load_model(bundle)
    manifest = bundle.manifest
    names = raw_names(engine, source)
    _check_names(source, names, manifest)
    sql = _side_by_side(engine.raw(source), names, manifest.features, features)
    rows = 0
    with replacing(destination) as temporary, _writer(temporary) as write:
        for batch in _nonempty(engine, sql):
            raw = model.predict(_matrix(batch, manifest.features))
            write(_output(batch, names, prediction_columns(manifest, raw)))
            rows += batch.num_rows
            progress.update(f"scored {rows} rows", done=rows)
    return rows


def _nonempty(engine: Engine, sql: str) -> Iterator[pa.RecordBatch]:
    """The batches, or one without rows, so that an empty table gives an empty answer."""
    seen = False
    for batch in engine.batches(sql, rows=CHUNK):
        seen = seen or batch.num_rows > 0
        if batch.num_rows:
            yield batch
    if not seen:
        table = engine.arrow(f"select * from ({sql}) limit 0")
        yield pa.RecordBatch.from_arrays(
            [pa.array([], type=kind) for kind in table.schema.types], schema=table.schema
        )


def _side_by_side(raw: str, names: Sequence[str], features: Sequence[Feature], made: str) -> str:
    own = [f"r.{quote(name)}" for name in names]
    of_model = [f"f.{quote(f.name)} as {_cell(i)}" for i, f in enumerate(features)]
    return (
        f"select {', '.join([*own, *of_model])} from {raw} r join ({made}) f using ({ROW}) "
        f"order by {ROW}"
    )


def _cell(i: int) -> str:
    return f"__feature_{i}__"


def _matrix(batch: pa.RecordBatch, features: Sequence[Feature]) -> Any:
    columns = [batch.column(batch.num_columns - len(features) + i) for i in range(len(features))]
    return encode(pa.table(columns, names=[f.name for f in features]), features)


def _output(batch: pa.RecordBatch, names: Sequence[str], made: dict[str, Any]) -> pa.Table:
    own = [batch.column(i) for i in range(len(names))]
    return pa.table([*own, *(pa.array(v) for v in made.values())], names=[*names, *made])


def _check_names(source: Path, names: Sequence[str], manifest: Manifest) -> None:
    classes = len(manifest.classes or ())
    shape = (0, classes) if manifest.task == "multiclass" else (0,)
    for name in prediction_columns(manifest, np.empty(shape)):
        if name in names:
            raise UsageError(
                f"{source.name} has a column `{name}`, which is what the prediction is called",
                hint=f"rename the table's column `{name}`",
            )


@contextmanager
def _writer(path: Path) -> Iterator[Any]:
    """A function that appends tables of one schema to the file, as its ending says."""
    opened: list[Any] = []

    def write(table: pa.Table) -> None:
        if not opened:
            opened.append(_open(path, table.schema))
        opened[0].write_table(table)

    try:
        yield write
    finally:
        for writer in opened:
            writer.close()


def _open(path: Path, schema: pa.Schema) -> Any:
    name = path.name.lower()
    if name.endswith(_PARQUET):
        return pq.ParquetWriter(path, schema, compression="zstd")
    for field in schema:
        if not _is_plain(field.type):
            raise UsageError(
                f"the column `{field.name}` is {field.type}, which CSV cannot hold",
                hint="write to a file that ends in .parquet",
            )
    tab = "\t" if name.endswith(".tsv") else ","
    return pyarrow.csv.CSVWriter(
        path, schema, write_options=pyarrow.csv.WriteOptions(delimiter=tab)
    )


def _is_plain(kind: pa.DataType) -> bool:
    bytes_ = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return not (pa.types.is_nested(kind) or bytes_ or pa.types.is_interval(kind))
