"""The table of features, made on a cluster: the same rows, in the same order, by the same SQL.

A pass over keys and moments tells where the rows go. Then every split sends its events to the tasks
of their keys, once for each choice of keys, and at last to those of the table's order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlops_cli.bundle.plan import TIME, FeaturePlan
from mlops_cli.config.project import Project
from mlops_cli.expressions.python_sources import hide, look_in
from mlops_cli.features.base import Layout, Schemas
from mlops_cli.features.events import Events, Rejected, begun_sql, finished_sql
from mlops_cli.features.facts import (
    Facts,
    Step,
    joined,
    kept_facts,
    moments_of,
    sent_facts,
    steps_of,
    taken,
    with_cells,
)
from mlops_cli.features.placement import CELLS, Numbers, Placement, order_cuts, place
from mlops_cli.features.table import (
    Written,
    check_whole,
    events_of,
    has_target,
    plan_of,
    rejected_for,
)
from mlops_cli.tables.base import ROW, Engine, Forms, literal, quote
from mlops_cli.tables.cluster import (
    NOTE,
    Cluster,
    Parcel,
    Split,
    by_tag,
    parcelled,
    received,
    sent,
    splits_of,
)
from mlops_cli.tables.part import PartEngine, key_number, no_rows, parts_folder, read_parts

_EVENTS = Path("events of a task")
_DRAWN = 2_000  # rows of a split whose moments tell where the cuts are


@dataclass(frozen=True, slots=True)
class _Job:
    """What every task knows."""

    layout: Layout
    events: Events
    steps: tuple[Step, ...]
    forms: Forms
    table: str
    rejected: Rejected
    folder: Path
    root: Path
    python: tuple[str, ...]
    sensitive: tuple[str, ...]

    @property
    def time(self) -> str | None:
        return TIME if self.events.time is not None else None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where rows go: a placement a step, then runs of the table's order; and since when they do."""

    placements: tuple[Placement, ...]
    order: Numbers
    since: datetime | None


@dataclass(frozen=True, slots=True)
class _Census:
    """Of a split: its rows, its newest moment, and how many rows each cell has, by step.

    `drawn` has a line for each row that was drawn: its moment (or number), its cell by step.
    """

    rows: int
    newest: datetime | None
    weights: tuple[Numbers, ...]
    drawn: Numbers


@dataclass(frozen=True, slots=True)
class _Run:
    """A cluster, and how large the tasks on it are to be."""

    cluster: Cluster
    engine: Engine
    most: int

    def splits(self, path: Path) -> list[Split]:
        return splits_of(self.engine, path, self.most, self.cluster.slots)


def write_features_on(
    cluster: Cluster,
    engine: Engine,
    project: Project,
    layout: Layout,
    *,
    schemas: Schemas,
    destination: Path,
) -> FeaturePlan:
    """As `write_features`, by the tasks of a cluster whose workers see the project's files.

    This process copies their parts, which are in order, to `destination`.
    """
    config = project.config
    run = _Run(cluster, engine, config.engine.rows)
    path = project.root / config.data.table
    with parts_folder(project) as folder:
        job = _job(project, layout, schemas, folder)
        found = _censuses(run, job, path)
        plan = _planned(run, job, found, config.data.window)
        notes = _made(run, job, plan, path)
        if parts := sorted(folder.glob("*.parquet")):
            engine.write_parquet(f"select * from {read_parts(parts)}", destination)
    (total,) = engine.rows(f"select count(*) from {engine.raw(path)}")[0]
    written = Written(
        destination,
        rows=notes["rows"],
        without_target=notes["used"] - notes["rows"],
        quarantined=total - sum(census.rows for census in found),
    )
    return plan_of(engine, project, layout, schemas, written)


def _job(project: Project, layout: Layout, schemas: Schemas, folder: Path) -> _Job:
    events = events_of(project, layout, schemas)
    return _Job(
        layout=layout,
        events=events,
        steps=steps_of(events),
        forms={name: layout.forms[name] for name in events.columns},
        table=project.config.data.table,
        rejected=rejected_for(project, schemas),
        folder=folder,
        root=project.root,
        python=tuple(project.config.features.python_files),
        sensitive=tuple(project.config.data.sensitive),
    )


def _censuses(run: _Run, job: _Job, path: Path) -> list[_Census]:
    made = run.cluster.made(run.splits(path), partial(_census, job))
    return [received(content) for _, content in run.cluster.collected(made)]


def _planned(run: _Run, job: _Job, found: Sequence[_Census], window: timedelta | None) -> _Plan:
    size = {"most": run.most, "slots": run.cluster.slots}
    drawn = np.concatenate([census.drawn for census in found])
    placements = []
    for i, step in enumerate(job.steps):
        weights = sum((c.weights[i] for c in found), _fact_weights(run, job, step))
        moments = {
            int(c): drawn[drawn[:, i + 1] == c, 0] for c in np.flatnonzero(weights > run.most)
        }
        placements.append(place(weights, moments=moments, **size))
    rows = sum(census.rows for census in found)
    newest = max((c.newest for c in found if c.newest is not None), default=None)
    since = newest - window if newest is not None and window is not None else None
    return _Plan(tuple(placements), order_cuts(drawn[:, 0], rows, **size), since)


def _fact_weights(run: _Run, job: _Job, step: Step) -> Numbers:
    counted = [
        run.cluster.made(run.splits(facts.path), partial(_fact_cells, job, facts))
        for facts in step.facts
    ]
    found = run.cluster.collected(run.cluster.together(*counted))
    return sum((received(content) for _, content in found), np.zeros(CELLS, dtype=np.int64))


def _made(run: _Run, job: _Job, plan: _Plan, path: Path) -> dict[str, int]:
    """Have the parts written; how many rows were `used`, and are `rows` of the table."""
    cluster = run.cluster
    parcels = cluster.made(run.splits(path), partial(_sent_events, job, plan))
    for i, step in enumerate(job.steps):
        facts = [
            cluster.made(run.splits(facts.path), partial(_sent_facts, job, plan, (i, j)))
            for j, facts in enumerate(step.facts)
        ]
        parcels = cluster.merged(cluster.together(parcels, *facts), partial(_joined, job, plan, i))
    counts = {"used": 0, "rows": 0}
    for _, content in cluster.collected(cluster.merged(parcels, partial(_finished, job))):
        name, count = received(content)
        counts[name] += count
    return counts


def _kept(engine: PartEngine, job: _Job, split: Split) -> str:
    rows = engine.typed(engine.narrow(split), job.forms)
    return job.rejected.without(engine, job.table, rows)


def _census(job: _Job, split: Split) -> Iterator[Parcel]:
    with PartEngine() as engine:
        kept = _kept(engine, job, split)
        check_whole(engine, job.layout, kept)
        begun = begun_sql(job.events, kept)
        cells = [f"{key_number(s.keys, CELLS)} as cell_{i}" for i, s in enumerate(job.steps)]
        moment = [job.time] if job.time else []
        table = engine.arrow(f"select {', '.join([ROW, *moment, *cells])} from {begun}")
        newest = None
        if job.time:
            ((newest,),) = engine.rows(f"select max({job.time}) from {begun}")
    columns = [moments_of(table, job.time)]
    columns += [table.column(f"cell_{i}").to_numpy() for i in range(len(job.steps))]
    weights = tuple(np.bincount(column, minlength=CELLS) for column in columns[1:])
    drawn = np.column_stack(columns)[:: max(1, table.num_rows // _DRAWN)]
    yield split.start, sent(_Census(table.num_rows, newest, weights, drawn))


def _fact_cells(job: _Job, facts: Facts, split: Split) -> Iterator[Parcel]:
    with PartEngine() as engine:
        kept = kept_facts(engine, facts, split, job.rejected)
        counted = engine.rows(
            f"select {key_number(facts.keys, CELLS)} as cell, count(*) from {kept} group by cell"
        )
    weights = np.zeros(CELLS, dtype=np.int64)
    for cell, count in counted:
        weights[cell] = count
    yield split.start, sent(weights)


def _sent_events(job: _Job, plan: _Plan, split: Split) -> Iterator[Parcel]:
    with PartEngine() as engine:
        kept = _kept(engine, job, split)
        if plan.since is not None:
            since = literal(plan.since.isoformat(sep=" "))
            kept = f"(select * from {kept} where {quote(job.events.time or '')} >= {since})"
        ((used,),) = engine.rows(f"select count(*) from {kept}")
        yield NOTE, sent(("used", used))
        yield from _on(engine, job, plan, 0, begun_sql(job.events, kept))


def _sent_facts(job: _Job, plan: _Plan, which: tuple[int, int], split: Split) -> Iterator[Parcel]:
    step, tag = which
    facts = job.steps[step].facts[tag]
    with PartEngine() as engine:
        kept = kept_facts(engine, facts, split, job.rejected)
        yield from sent_facts(engine, facts, kept, plan.placements[step], tag=tag + 1)


def _joined(
    job: _Job, plan: _Plan, step: int, number: int, parcels: list[bytes]
) -> Iterator[Parcel]:
    tables = by_tag(parcels)
    if 0 not in tables:
        return
    with PartEngine() as engine:
        sql = _handed(engine, tables[0])
        for tag, facts in enumerate(job.steps[step].facts, 1):
            sql = joined(engine, facts, tables.get(tag, no_rows(facts.columns)), sql)
        yield from _on(engine, job, plan, step + 1, sql)


def _finished(job: _Job, number: int, parcels: list[bytes]) -> Iterator[Parcel]:
    look_in(job.root, job.python)
    hide(job.sensitive)
    with PartEngine() as engine:
        made = finished_sql(job.events, _handed(engine, by_tag(parcels)[0]))
        order = ", ".join([*([job.time] if job.time else []), ROW])
        present = has_target(job.layout.target_tree)
        part = job.folder / f"{number:08}.parquet"
        rows = engine.write_parquet(
            f"select * from ({made}) where {present} order by {order}", part
        )
    yield NOTE, sent(("rows", rows))


def _handed(engine: PartEngine, table: pa.Table) -> str:
    engine.put(_EVENTS, table.sort_by(ROW))
    return engine.raw(_EVENTS)


def _on(engine: PartEngine, job: _Job, plan: _Plan, step: int, sql: str) -> Iterator[Parcel]:
    """Send the events to the tasks of the next step, or to those of the table's order."""
    if step < len(job.steps):
        made = engine.arrow(with_cells(sql, job.steps[step].keys, job.time))
        table, cells, moments = taken(made)
        numbers = plan.placements[step].of(cells, moments)
    else:
        table = engine.arrow(f"select * from {sql} order by {ROW}")
        moments = moments_of(table, job.time)
        numbers = np.searchsorted(plan.order, moments, side="right")
    yield from parcelled(table, numbers, 0)
