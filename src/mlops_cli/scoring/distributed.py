"""Predictions made on a cluster: the joins, the encoding and the model in tasks, in row order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli._files import replacing
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.expressions.python_sources import hide, look_in
from mlops_cli.features.base import Schemas, load_schemas
from mlops_cli.features.raw_table import check_values, raw_table_sql
from mlops_cli.scoring.census import Census
from mlops_cli.scoring.predictions import CHUNK, Chunks, Scoring, predicted_chunks
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.tables.base import Engine
from mlops_cli.tables.cluster import Cluster, Parcel, Split, received, sent, splits_of
from mlops_cli.tables.part import PartEngine


@dataclass(frozen=True, slots=True)
class _Job:
    """What every task knows; the bundle is a folder that it opens."""

    project: Project
    schemas: Schemas
    bundle: Path
    digest: str
    folder: Path


def predicted_on(
    cluster: Cluster,
    engine: Engine,
    project: Project,
    model: Bundle,
    *,
    scoring: Scoring,
    folder: Path,
) -> Chunks:
    """As `check_values` and `predicted_chunks`, by the tasks of a cluster.

    A task holds its rows to the inputs' types, predicts them, and writes what it predicted to
    `folder`; joined tables are read whole by each. This process reads the source beside it.
    """
    source = scoring.source.resolve()
    splits = splits_of(engine, source, project.config.engine.rows, cluster.slots)
    job = _Job(project, load_schemas(project), model.path.resolve(), model.digest, folder)
    for _, content in cluster.collected(cluster.made(splits, partial(_predicted, job))):
        scoring.census.merge(received(content))
    return _beside(engine, scoring.source, [_part(folder, split) for split in splits])


def _beside(engine: Engine, source: Path, parts: Sequence[Path]) -> Chunks:
    batches = (batch for part in parts for batch in pq.ParquetFile(part).iter_batches(CHUNK))
    left: pa.Table | None = None
    for chunk in engine.chunks(source, rows=CHUNK):
        while left is None or left.num_rows < chunk.num_rows:
            batch = next(batches, None)
            if batch is None:
                break
            more = pa.Table.from_batches([batch])
            left = more if left is None else pa.concat_tables([left, more])
        held = pa.table({}) if left is None else left
        predicted = held.slice(0, chunk.num_rows)
        left = held.slice(chunk.num_rows)
        yield chunk, {n: predicted[n].combine_chunks() for n in predicted.column_names}


def _part(folder: Path, split: Split) -> Path:
    return folder / f"{split.start:012}.parquet"


def _predicted(job: _Job, split: Split) -> Iterator[Parcel]:
    look_in(job.project.root, job.project.config.features.python_files)
    hide(job.project.config.data.sensitive)
    bundle, predictor = _opened(job.bundle, job.digest)
    with PartEngine() as engine:
        rows = engine.narrow(split)
        check_values(engine, rows, bundle.manifest.inputs)
        census = Census(bundle.manifest, bundle.profile())
        scoring = Scoring(
            rows,
            rows,
            lambda: raw_table_sql(engine, job.project, job.schemas, bundle, rows),
            census,
        )
        with replacing(_part(job.folder, split)) as temporary:
            _write(temporary, predicted_chunks(engine, scoring, predictor))
    yield split.start, sent(census)


def _write(path: Path, chunks: Chunks) -> None:
    writer = None
    for _, columns in chunks:
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


@cache
def _opened(path: Path, digest: str) -> tuple[Bundle, Predictor]:
    """The bundle and its model, loaded once by each worker."""
    bundle = open_bundle(path)
    if bundle.digest != digest:
        raise EnvironmentFault(
            f"a worker finds another bundle at {path}",
            hint="put the project on a file system that all workers share, at the same path",
        )
    return bundle, open_predictor(bundle)
