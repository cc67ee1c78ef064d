"""A raw table counted against a profile: in this process, or by the tasks of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.expressions.python_sources import hide, look_in
from mlops_cli.features.base import Schemas
from mlops_cli.features.raw_table import raw_table_sql
from mlops_cli.monitoring.counts.comparison import Comparison, Tally, tally
from mlops_cli.monitoring.drift.sample import Sample
from mlops_cli.tables import open_cluster
from mlops_cli.tables.base import ROW, Engine
from mlops_cli.tables.cluster import Parcel, Split, received, sent, splits_of
from mlops_cli.tables.part import PartEngine, parts_folder, read_parts


@dataclass(frozen=True, slots=True)
class Counting:
    """What to count: the rows of a table as `bundle` sees them, over the cells of `profile`.

    `chosen` is a query of the `__row__` that count, None where all do; `drawn` rows are sampled.
    """

    project: Project
    schemas: Schemas
    bundle: Bundle
    profile: Profile
    table: Path
    chosen: str | None
    drawn: int


def counted(engine: Engine, job: Counting) -> tuple[list[Comparison], Sample]:
    """A comparison for each column of the profile, and some of the rows."""
    if not job.project.config.engine.spark:
        found, sample = _count(engine, job, job.table)
    else:
        found, sample = _count_on_cluster(engine, job)
    return found.compared(job.profile), sample


def _count(engine: Engine, job: Counting, table: Path, seed: int = 0) -> tuple[Tally, Sample]:
    rows = raw_table_sql(engine, job.project, job.schemas, job.bundle, table)
    if job.chosen is not None:
        rows = f"select * from ({rows}) where {ROW} in ({job.chosen})"
    sample = Sample(job.profile, job.drawn, seed)
    return tally(job.profile, sample.through(engine.batches(rows))), sample


def _count_on_cluster(engine: Engine, job: Counting) -> tuple[Tally, Sample]:
    settings, path = job.project.config.engine, job.table.resolve()
    with open_cluster(settings) as cluster, parts_folder(job.project) as folder:
        chosen = None
        if job.chosen is not None:  # one row of each subject of the whole table
            engine.write_parquet(job.chosen, folder / "chosen.parquet")
            chosen = f"select * from {read_parts([folder / 'chosen.parquet'])}"
        splits = splits_of(engine, path, settings.rows, cluster.slots)
        bundle = replace(job.bundle, path=job.bundle.path.resolve())  # a task runs elsewhere
        task = partial(_counted, replace(job, chosen=chosen, bundle=bundle))
        made = cluster.collected(cluster.made(splits, task))
    (found, sample), *later = [received(content) for _, content in made]
    for more, rows in later:
        found.merge(more)
        sample.merge(rows)
    return found, sample


def _counted(job: Counting, split: Split) -> Iterator[Parcel]:
    look_in(job.project.root, job.project.config.features.python_files)
    hide(job.project.config.data.sensitive)
    with PartEngine() as engine:
        yield split.start, sent(_count(engine, job, engine.narrow(split), split.start))
