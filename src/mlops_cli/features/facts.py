"""The tables that are joined and aggregated, as a cluster needs them: by keys, a shuffle each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlops_cli.expressions.tree import ValueType
from mlops_cli.features.aggregates import parse_aggregate
from mlops_cli.features.base import AggregateSource, JoinSource, in_form
from mlops_cli.features.events import (
    Events,
    Rejected,
    joined_sql,
    microseconds,
    together,
    with_aggregates_sql,
)
from mlops_cli.features.placement import CELLS, Numbers, Placement
from mlops_cli.tables.base import ROW, ColumnForm, quote
from mlops_cli.tables.cluster import Parcel, Split, parcelled
from mlops_cli.tables.part import PartEngine, key_number

CELL, MOMENT = "__cell__", "__moment__"
_FACTS = Path("facts of a task")
_LAST = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Facts:
    """What is read of a table for one join, or for the aggregates over one time column.

    `time` is None where every row counts at any moment. A row of the moment t counts for events
    from t + `since` on, till t + `until` or (None) till the next row of its keys; microseconds.
    """

    table: str
    path: Path
    columns: Mapping[str, ValueType]
    forms: Mapping[str, ColumnForm]
    keys: tuple[str, ...]
    time: str | None
    since: int
    until: int | None
    sources: JoinSource | tuple[AggregateSource, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What is joined by the same keys, and thus in one shuffle."""

    keys: tuple[str, ...]
    facts: tuple[Facts, ...]


def steps_of(events: Events) -> tuple[Step, ...]:
    """The shuffles that all joins and aggregates need, one for each choice of keys."""
    by_keys: dict[tuple[str, ...], list[Facts]] = {}
    for join in events.joins:
        by_keys.setdefault(join.config.on, []).append(_of_join(join))
    for sources in together(events.aggregates):
        by_keys.setdefault(sources[0].config.by, []).append(_of_aggregates(sources))
    return tuple(Step(keys, tuple(facts)) for keys, facts in by_keys.items())


def _of_join(source: JoinSource) -> Facts:
    config = source.config
    names = [*config.on, *config.columns, *config.times]
    columns = {name: source.types[name] for name in names}
    return Facts(
        table=config.table,
        path=source.path,
        columns=columns,
        forms=in_form(columns, source.forms),
        keys=config.on,
        time=None if config.known_at else config.asof,  # which version counts is not of one time
        since=int(config.lag.total_seconds()) * 1_000_000,  # as the join's SQL has it
        until=None,
        sources=source,
    )


def _of_aggregates(sources: list[AggregateSource]) -> Facts:
    first = sources[0]
    read = [parse_aggregate(s.config.expr, s.types).columns for s in sources]
    names = dict.fromkeys([*first.config.by, *(n for found in read for n in found), first.time])
    columns = {name: first.types[name] for name in names}
    ends: list[timedelta] = [s.config.lag + s.config.window for s in sources]
    return Facts(
        table=first.config.table,
        path=first.path,
        columns=columns,
        forms=in_form(columns, first.forms),
        keys=first.config.by,
        time=first.time,
        since=microseconds(min(s.config.lag for s in sources)),
        until=microseconds(max(ends)),
        sources=tuple(sources),
    )


def kept_facts(engine: PartEngine, facts: Facts, split: Split, rejected: Rejected) -> str:
    """A relation of the facts of a split that any event can meet: every key is there."""
    rows = engine.typed(engine.narrow(split), facts.forms)
    kept = rejected.without(engine, facts.table, rows)
    present = [f"{quote(name)} is not null" for name in facts.keys]
    present += [f"{quote(facts.time)} is not null"] if facts.time else []
    return f"(select * from {kept} where {' and '.join(present)})" if present else kept


def with_cells(relation: str, keys: tuple[str, ...], time: str | None) -> str:
    """SQL: the relation with the cell of each row, and its moment."""
    moment = f"cast({quote(time)} as timestamp)" if time else "null::timestamp"
    return (
        f"select *, {key_number(keys, CELLS)} as {CELL}, {moment} as {MOMENT} from {relation} "
        f"order by {ROW}"
    )


def taken(table: pa.Table) -> tuple[pa.Table, Numbers, Numbers]:
    """The rows of `with_cells` without its two columns, their cells, their moments."""
    cells = table.column(CELL).to_numpy()
    return table.drop_columns([CELL, MOMENT]), cells, moments_of(table, MOMENT)


def moments_of(table: pa.Table, time: str | None) -> Numbers:
    """The column `time` in microseconds; without one the rows' numbers. Missing is the last."""
    column = table.column(time or ROW).cast(pa.int64())
    moments: Numbers = column.fill_null(_LAST).to_numpy()
    return moments


def sent_facts(
    engine: PartEngine, facts: Facts, kept: str, placement: Placement, *, tag: int
) -> Iterator[Parcel]:
    """What `kept_facts` are, each to every task that has events which may meet it."""
    made = engine.arrow(with_cells(kept, facts.keys, facts.time))
    table, cells, moments = taken(made)
    whole = ~np.isin(cells, list(placement.cuts))
    yield from parcelled(table.filter(pa.array(whole)), placement.tasks[cells[whole]], tag)
    for cell, cuts in placement.cuts.items():
        here = cells == cell
        rows, at = table.filter(pa.array(here)), moments[here]
        for share in range(len(cuts) + 1):
            meets = _met(engine, facts, (rows, at), cuts, share)
            number = np.full(meets.num_rows, placement.tasks[cell] + share)
            yield from parcelled(meets, number, tag)


def _met(
    engine: PartEngine, facts: Facts, rows: tuple[pa.Table, Numbers], cuts: Numbers, share: int
) -> pa.Table:
    """The rows that events between two cuts may meet."""
    table, at = rows
    if facts.time is None:
        return table
    first = np.searchsorted(cuts, at + facts.since, side="right")
    if facts.until is not None:
        last = np.searchsorted(cuts, at + facts.until, side="right")
        return table.filter(pa.array((first <= share) & (share <= last)))
    within = table.filter(pa.array(first == share))
    earlier = table.filter(pa.array(first < share))
    if not earlier.num_rows:
        return within
    engine.put(_FACTS, earlier)
    keys = ", ".join(map(quote, facts.keys)) or "true"
    newest = (
        f"select * from {engine.raw(_FACTS)} qualify row_number() over "
        f"(partition by {keys} order by {quote(facts.time)} desc, {ROW} desc) = 1"
    )
    return pa.concat_tables([engine.arrow(newest).cast(table.schema), within])


def joined(engine: PartEngine, facts: Facts, table: pa.Table, events: str) -> str:
    """The events as a relation that has what the sources of these facts give them, too."""
    engine.put(facts.path, table.sort_by(ROW))
    if isinstance(facts.sources, JoinSource):
        return joined_sql(engine, facts.sources, events, Rejected(None))
    return with_aggregates_sql(engine, facts.sources, events, Rejected(None))
