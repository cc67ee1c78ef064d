"""Predict a stream of rows, and write the predictions beside the table's own columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli._files import replacing
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.features.raw_table import raw_names
from mlops_cli.progress import Progress
from mlops_cli.scoring.census import Census
from mlops_cli.scoring.csv_writer import CsvWriter
from mlops_cli.scoring.explained import Explaining, check_affordable, explained_names
from mlops_cli.scoring.names import free_names
from mlops_cli.scoring.passthrough_types import own_forms, spelled_types
from mlops_cli.serving.predictions import prediction_names
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.tables.base import ROW, Engine, Forms, quote
from mlops_cli.tables.matrix import encode

CHUNK = 262_144  # rows: a join in time is made anew for each
_CSV = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")
_URL = re.compile(r"[A-Za-z][\w+.-]+:/")  # a path has one slash where the URL had two


def check_destination(destination: Path) -> None:
    """Raises `UsageError` for an ending that is neither CSV's nor Parquet's, and for a URL."""
    if _URL.match(str(destination)):
        raise UsageError(
            f"{destination} is not a local file",
            hint="write to a file, and copy it there",
        )
    if not destination.name.lower().endswith((*_CSV, *_PARQUET)):
        raise UsageError(
            f"{destination.name}: unknown ending",
            hint=f"predictions are written as {', '.join((*_CSV, *_PARQUET))}",
        )


@dataclass(frozen=True, slots=True)
class Scoring:
    """What to score, and where to.

    `features` makes a query that gives inputs and row features by `__row__`; `census` counts them.
    With `dry_run` nothing is written; `force` replaces a destination that is another table. With
    `explain` each row's contributions stand beside its prediction.
    """

    source: Path
    destination: Path
    features: Callable[[], str]
    census: Census
    dry_run: bool = False
    force: bool = False
    explain: bool = False


Columns: TypeAlias = dict[str, Any]
"""The prediction's columns by name, and their values."""
Chunks: TypeAlias = Iterator[tuple[Any, Columns]]
"""The rows of a source as it has them, some at a time, and what is predicted of them."""


def predicted_chunks(
    engine: Engine, scoring: Scoring, predictor: Predictor, explaining: Explaining | None = None
) -> Chunks:
    """Predict the source, which the census counts, in the rows' order and in bounded memory."""
    manifest, sql = predictor.manifest, ""
    for chunk in engine.chunks(scoring.source, rows=CHUNK):
        sql = sql or _matrix_sql(manifest, scoring.features())
        made = engine.arrow(sql)
        matrix = encode(made, manifest.features)
        scoring.census.add(made, matrix)
        predicted: Columns = dict(predictor.columns(predictor.numbers(matrix)))
        yield chunk, predicted | (explaining.columns(matrix) if explaining else {})


def predict_file(
    engine: Engine,
    bundle: Bundle,
    scoring: Scoring,
    progress: Progress,
    *,
    chunks: Chunks | None = None,
) -> tuple[dict[str, str], Explaining | None]:
    """Predict every row of the source and write its columns and the predictions to the
    destination, whole or not at all, in the rows' order and in bounded memory.

    Returns the prediction's columns with the names that they got, `predicted_NAME` where the
    table has a column of that name; and what explained them. `chunks` are what others predicted
    and counted, in place of `predicted_chunks`. Raises what the census raises when it
    is asked, and `UsageError` for a destination that is another table, and for more rows than can
    be explained.
    """
    source, destination, census = scoring.source, scoring.destination, scoring.census
    manifest = bundle.manifest
    names = raw_names(engine, source)
    if scoring.explain:
        check_affordable(engine, source, bundle)
    wanted = [*prediction_names(manifest), *(explained_names(manifest) if scoring.explain else ())]
    given = free_names(wanted, names)
    if not scoring.force:
        _check_replaceable(destination, [*names, *given.values()])
    explaining = None
    if chunks is None:
        predictor = open_predictor(bundle, cores(), in_child_first=True)
        explaining = Explaining(bundle, predictor.model) if scoring.explain else None
        chunks = predicted_chunks(engine, scoring, predictor, explaining)
    forms = _forms_to_write(engine, (source, destination), manifest)
    rows = 0
    written: Future[None] | None = None
    with (
        _destination(scoring) as write,
        ThreadPoolExecutor(1) as aside,  # a chunk is written while the next one is predicted
    ):
        for chunk, predicted in chunks:
            typed = engine.arrow(_typed_sql(engine, source, forms)) if forms else chunk
            own = [(typed if n in forms else chunk).column(n) for n in names]
            table = _output(own, names, {given[n]: v for n, v in predicted.items()})
            if written:
                written.result()
            written = aside.submit(write, table)
            rows += chunk.num_rows
            progress.update(f"scored {rows} rows", done=rows)
        if written:
            written.result()
        engine.check_steady()
        census.columns()  # a strict one lets nothing be written
    return given, explaining


def _check_replaceable(destination: Path, columns: list[str]) -> None:
    """Raise `UsageError` where the destination is there, and has other columns than these."""
    if not destination.exists() or (destination.is_file() and not destination.stat().st_size):
        return
    try:
        found = _columns_of(destination)
    except (OSError, ValueError, csv.Error):
        found = []
    if found != columns:
        raise UsageError(
            f"{destination} exists, and is no earlier scoring of such a table",
            hint="name another file, or replace it with --force",
        )


def _columns_of(path: Path) -> list[str]:
    """The columns of a file that `_writer` wrote."""
    if path.name.lower().endswith(_PARQUET):
        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file, delimiter=_delimiter(path)), [])


@contextmanager
def _destination(scoring: Scoring) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends a table to what becomes the destination when the block ends."""
    if scoring.dry_run:
        yield lambda table: _check_schema(scoring.destination, table.schema)
        return
    with replacing(scoring.destination) as temporary, _writer(temporary) as write:
        yield write


def _forms_to_write(engine: Engine, files: tuple[Path, Path], manifest: Manifest) -> Forms:
    """The columns that do not go from the first of `files` to the second as they stand."""
    source, _ = files
    from_parquet, to_parquet = (path.name.lower().endswith(_PARQUET) for path in files)
    if from_parquet == to_parquet:
        return {}
    if to_parquet:  # text goes to a file that has types
        return own_forms(engine, source, manifest.inputs)
    return spelled_types(engine, source)


def _typed_sql(engine: Engine, source: Path, forms: Forms) -> str:
    columns = ", ".join(quote(name) for name in forms)
    return f"select {columns} from {engine.typed(source, forms)} order by {ROW}"


def _matrix_sql(manifest: Manifest, made: str) -> str:
    features = (feature.name for feature in manifest.features)
    names = dict.fromkeys((*features, *(i.name for i in manifest.inputs)))
    return f"select {', '.join(map(quote, names))} from ({made}) order by {ROW}"


def _output(own: Sequence[Any], names: Sequence[str], made: dict[str, Any]) -> pa.Table:
    return pa.table([*own, *(pa.array(v) for v in made.values())], names=[*names, *made])


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[pa.Table], None]]:
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
    _check_schema(path, schema)
    if path.name.lower().endswith(_PARQUET):
        return pq.ParquetWriter(path, schema, compression="zstd")
    return CsvWriter(path, schema.names, _delimiter(path))


def _delimiter(path: Path) -> str:
    return "\t" if path.name.lower().endswith(".tsv") else ","


def _check_schema(path: Path, schema: pa.Schema) -> None:
    nested = [field for field in schema if not _is_plain(field.type)]
    if nested and not path.name.lower().endswith(_PARQUET):
        raise UsageError(
            f"the column `{nested[0].name}` is {nested[0].type}, which CSV cannot hold",
            hint="write to a file that ends in .parquet",
        )


def _is_plain(kind: pa.DataType) -> bool:
    bytes_ = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return not (pa.types.is_nested(kind) or bytes_ or pa.types.is_interval(kind))
