"""The SQL from a raw table to inputs, joined columns, row features and the target.

Every column is cast by its contract; a NaN is null, as a request could not say otherwise. A join
sees only what was known at the event's time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mlops_cli.bundle.plan import ID, SENSITIVE, TARGET, TIME, WEIGHT
from mlops_cli.config.sections.features import JoinConfig
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import FeatureTree, Node, ValueType
from mlops_cli.features.aggregates import AT, Windowed, aggregated_sql, parse_aggregate
from mlops_cli.features.base import AggregateSource, JoinSource, in_form
from mlops_cli.features.sql import render, render_feature
from mlops_cli.tables.base import OWN, ROW, Engine, is_nan, literal, quote

_KNOWN = "__known__"
_AT = "__at__"


@dataclass(frozen=True, slots=True)
class Events:
    """What to make of a raw table.

    `columns` are the columns to read, by type; `time` is one of them. `inputs` are the raw columns
    to keep, `rows` the trees of the row features, `target` the target's tree where it is wanted,
    `ids` the columns of `data.id` and `split.key`, `sensitive` those of `data.sensitive` that are
    no inputs, `weights` the column of `train.weights`. `own` is the path of the table in the
    project where the relation has all of its rows that are not rejected: an aggregate over it at
    the events' own time reads `columns`, and not the table once more.
    """

    columns: Mapping[str, ValueType]
    time: str | None
    joins: Sequence[JoinSource]
    inputs: Sequence[str]
    rows: Sequence[FeatureTree]
    target: Node | None = None
    ids: Sequence[str] = ()
    sensitive: Sequence[str] = ()
    aggregates: Sequence[AggregateSource] = ()
    weights: str | None = None
    own: str | None = None

    def among(self, source: AggregateSource) -> bool:
        """Whether the aggregate is of these events themselves."""
        return source.config.table == self.own and source.time == self.time


@dataclass(frozen=True, slots=True)
class Rejected:
    """The rows that validation found bad: the file of its findings, None where it has not run."""

    path: Path | None

    def without(self, engine: Engine, table: str, relation: str) -> str:
        """`relation` without the rejected rows of `table` (its path in the project)."""
        if self.path is None:
            return relation
        bad = f'select row from {engine.raw(self.path)} where "table" = {literal(table)}'
        return f"(select * from {relation} where {ROW} not in ({bad}))"


def events_sql(engine: Engine, events: Events, relation: str, rejected: Rejected) -> str:
    """A query over `relation`, a typed relation of the raw table's `events.columns`.

    Its columns: `__row__`, `__time__` (where there is a time), `__target__` (where it is wanted),
    `__id__NAME` for each of the `ids`, `__sensitive__NAME` for each of the `sensitive`,
    `__weight__` (where there is one), the inputs by their names, the row features by theirs. No row
    is lost and none is made; no order is promised. Raises `DataError` where a join without `asof`
    meets a key twice.
    """
    sql = begun_sql(events, relation)
    for source in events.joins:
        sql = joined_sql(engine, source, sql, rejected)
    for sources in together(events.aggregates):
        if events.among(sources[0]):
            sql = _with_own_aggregates_sql(sources, sql)
        else:
            sql = with_aggregates_sql(engine, sources, sql, rejected)
    return finished_sql(events, sql)


def begun_sql(events: Events, relation: str) -> str:
    """The events as a relation that joins and aggregates start from: their columns and moment."""
    moment = f", {quote(events.time)} as {TIME}" if events.time is not None else ""
    return f"(select *{moment} from {_without_nan(relation, events.columns)})"


def finished_sql(events: Events, sql: str) -> str:
    """A query over the events with all that was joined, as `events_sql` tells."""
    cells = [ROW]
    cells += [TIME] if events.time is not None else []
    cells += [f"{render(events.target)} as {TARGET}"] if events.target is not None else []
    cells += [f"{quote(name)} as {quote(ID + name)}" for name in events.ids]
    cells += [f"{quote(name)} as {quote(SENSITIVE + name)}" for name in events.sensitive]
    cells += [f"{quote(events.weights)} as {WEIGHT}"] if events.weights is not None else []
    cells += [quote(name) for name in events.inputs]
    cells += [f"{render_feature(t.tree, row=ROW)} as {quote(t.name)}" for t in events.rows]
    return f"select {', '.join(cells)} from {sql}"


def _without_nan(relation: str, types: Mapping[str, ValueType]) -> str:
    cells = [
        f"case when {is_nan(quote(n))} then null else {quote(n)} end as {quote(n)}"
        if kind == "float"
        else quote(n)
        for n, kind in types.items()
    ]
    return f"(select {', '.join([*cells, ROW])} from {relation})"


def joined_sql(engine: Engine, source: JoinSource, events: str, rejected: Rejected) -> str:
    """The events as a relation that has the columns of one join, too."""
    right = _right(engine, source, rejected)
    on = [f"l.{quote(name)} = r.{quote(name)}" for name in source.config.on]
    if source.config.asof is None:
        _check_unique(engine, source, right)
        cells = [f"r.{quote(name)}" for name in source.config.columns]
        join = f"left join {right} r on {' and '.join(on)}"
    else:
        cells = [f"{_fresh(source, name)} as {quote(name)}" for name in source.config.columns]
        join = f"asof left join {right} r on {' and '.join([*on, f'l.{TIME} >= r.{_KNOWN}'])}"
    return f"(select l.*, {', '.join(cells)} from {events} l {join})"


def together(aggregates: Iterable[AggregateSource]) -> list[list[AggregateSource]]:
    """The aggregates that one sort of their table by keys and time can make, as groups."""
    groups: dict[tuple[Path, tuple[str, ...], str], list[AggregateSource]] = {}
    for source in aggregates:
        groups.setdefault((source.path, source.config.by, source.time), []).append(source)
    return list(groups.values())


def with_aggregates_sql(
    engine: Engine, sources: Sequence[AggregateSource], events: str, rejected: Rejected
) -> str:
    """The events as a relation that has the aggregates of one of those groups, too."""
    first = sources[0]
    made = _windowed(sources)
    types = {n: first.types[n] for n in (*first.config.by, first.time)}
    types |= {n: first.types[n] for one in made for n in one.aggregate.columns}
    facts = facts_sql(engine, first, types, rejected)
    at = f"(select *, {quote(first.time)} as {AT} from {facts})"
    return aggregated_sql(events, at, [quote(n) for n in first.config.by], made, time=TIME)


def _with_own_aggregates_sql(sources: Sequence[AggregateSource], events: str) -> str:
    keys = [quote(name) for name in sources[0].config.by]
    return aggregated_sql(events, None, keys, _windowed(sources), time=TIME)


def _windowed(sources: Sequence[AggregateSource]) -> list[Windowed]:
    made = []
    for i, source in enumerate(sources):
        aggregate = parse_aggregate(source.config.expr, source.types, f"{OWN}{i}_")
        lag, window = microseconds(source.config.lag), microseconds(source.config.window)
        made.append(Windowed(quote(source.config.name), aggregate, lag, window))
    return made


def facts_sql(
    engine: Engine,
    source: AggregateSource | JoinSource,
    types: Mapping[str, ValueType],
    rejected: Rejected,
) -> str:
    """A relation of a table's columns in these types, without rejected rows, a NaN being null."""
    typed = engine.typed(source.path, in_form(types, source.forms))
    return _without_nan(rejected.without(engine, source.config.table, typed), types)


def microseconds(span: timedelta) -> int:
    """A span in microseconds."""
    return span // timedelta(microseconds=1)


def _right(engine: Engine, source: JoinSource, rejected: Rejected) -> str:
    config = source.config
    names = [*config.on, *config.columns, *config.times]
    types = {name: source.types[name] for name in names}
    relation = facts_sql(engine, source, types, rejected)
    if config.asof is None:
        return relation
    at = quote(config.asof)
    keys = ", ".join([*(quote(name) for name in config.on), at])
    known = f"{at} + to_seconds({int(config.lag.total_seconds())})"
    if config.known_at is not None:
        return _versions(config, relation, known)
    # Of rows with the same keys and time the last of the file is the one that counts.
    last = f"row_number() over (partition by {keys} order by {ROW} desc) = 1"
    return (
        f"(select * exclude ({ROW}), {at} as {_AT}, {known} as {_KNOWN} from {relation} "
        f"where {at} is not null qualify {last})"
    )


def _versions(config: JoinConfig, relation: str, known: str) -> str:
    """The rows that were the newest at some moment, each from that moment on.

    Of what is known the row of the latest `asof` counts, of it the version that was written last,
    of these the last of the file: the greatest (asof, known_at, row). A row that is not greater
    than all that were known before it is never the one, and is left out; then the join in time
    finds it by the moment alone.
    """
    at, written = quote(config.asof or ""), quote(config.known_at or "")
    on = [quote(name) for name in config.on]
    own = f"row({at}, {written}, {ROW})"
    of_key = f"partition by {', '.join(on)} " if on else ""
    seen = f"{of_key}order by {_KNOWN}, {own} rows unbounded preceding"
    at_once = f"partition by {', '.join([*on, _KNOWN])} order by {own} desc"
    moments = (
        f"(select *, {at} as {_AT}, greatest({known}, {written}) as {_KNOWN} from {relation} "
        f"where {at} is not null and {written} is not null)"
    )
    return (
        f"(select * exclude ({ROW}) from {moments} qualify {own} = max({own}) over ({seen}) "
        f"and row_number() over ({at_once}) = 1)"
    )


def _fresh(source: JoinSource, name: str) -> str:
    column = f"r.{quote(name)}"
    if source.config.ttl is None:
        return column
    ttl = f"to_seconds({int(source.config.ttl.total_seconds())})"
    return f"case when r.{_AT} >= l.{TIME} - {ttl} then {column} end"


def _check_unique(engine: Engine, source: JoinSource, right: str) -> None:
    keys = ", ".join(quote(name) for name in source.config.on)
    present = " and ".join(f"{quote(name)} is not null" for name in source.config.on)
    found = engine.rows(
        f"select {keys}, count(*) from {right} where {present} group by {keys} "
        f"having count(*) > 1 order by {keys} limit 1"
    )
    if found:
        pairs = zip(source.config.on, found[0], strict=False)
        shown = ", ".join(f"{name} = {value!r}" for name, value in pairs)
        raise DataError(
            f"{source.config.table} has {found[0][-1]} rows with {shown}, and a join without "
            "`asof` takes one",
            hint="make the keys unique, add a key to `on`, or say by which time with `asof`",
        )
