"""Features that are looked up: what the configuration says of them, and their rows for a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from mlops_cli.bundle.online import (
    Function,
    OnlineFeature,
    OnlineFigure,
    OnlinePlan,
    Part,
    PartKind,
    group_id,
)
from mlops_cli.config.model import Config
from mlops_cli.expressions.tree import Node, ValueType, columns_of
from mlops_cli.features.aggregates import NUMBER, Figure, parse_aggregate
from mlops_cli.features.base import AggregateSource, JoinSource, TableSchema
from mlops_cli.features.events import Rejected, facts_sql, microseconds
from mlops_cli.features.layout import lookup_columns
from mlops_cli.features.sql import render
from mlops_cli.tables.base import ROW, Engine, quote

_MOMENTS = ("date", "timestamp")
KEY, T = "__key__", "__t__"  # of a row for a store: its keys by number, its moment
_EPOCH = "timestamp '1970-01-01'"
_PARTS: Mapping[Function, tuple[PartKind, ...]] = {
    "avg": ("sum", "count"),
    "stddev": ("moments",),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A feature that is looked up, beside the table that it is made of; `time` None: of no time."""

    features: tuple[OnlineFeature, ...]
    table: AggregateSource | JoinSource
    keys: tuple[str, ...]
    time: str | None


def online_sources(
    joins: Sequence[JoinSource], aggregates: Sequence[AggregateSource]
) -> tuple[Source, ...]:
    """Those of `source: online`, in the configuration's order."""
    found = [_joined(join) for join in joins if join.config.source == "online"]
    found += [_aggregated(a) for a in aggregates if a.config.source == "online"]
    return tuple(found)


def online_plan(
    config: Config, sources: Sequence[Source], schema: TableSchema
) -> OnlinePlan | None:
    """What a bundle holds of them, None where nothing is looked up; `schema` is the events'."""
    store = config.features.store
    if store is None or not sources:
        return None
    moment = config.data.time
    keys = [name for name in lookup_columns(config) if name != moment]
    return OnlinePlan(
        features=tuple(f for source in sources for f in source.features),
        time=moment,
        required=tuple(name for name in keys if not schema.nullable.get(name, True)),
        ttl=None if store.ttl is None else microseconds(store.ttl),
    )


def _joined(source: JoinSource) -> Source:
    config = source.config
    lag, ttl = microseconds(config.lag), config.ttl
    features = []
    group = group_id(config.table, config.on, config.asof)
    for name in config.columns:
        kind = source.types[name]
        value = Part("value", Node("column", kind, value=name))
        features.append(
            OnlineFeature(
                name=name,
                type=kind,
                group=group,
                keys=config.on,
                lag=lag if config.asof is not None else 0,
                tree=Node("column", kind, value="value"),
                figures={"value": OnlineFigure("value", (value,), kind)},
                ttl=microseconds(ttl) if ttl is not None and config.asof is not None else None,
            )
        )
    return Source(tuple(features), source, config.on, config.asof)


def _aggregated(source: AggregateSource) -> Source:
    config = source.config
    aggregate = parse_aggregate(config.expr, source.types)
    feature = OnlineFeature(
        name=config.name,
        type=aggregate.tree.type,
        group=group_id(config.table, config.by, source.time),
        keys=config.by,
        lag=microseconds(config.lag),
        tree=aggregate.tree,
        figures={name: _figure(figure) for name, figure in aggregate.figures.items()},
        window=microseconds(config.window),
    )
    return Source((feature,), source, config.by, source.time)


def _figure(figure: Figure) -> OnlineFigure:
    function = _function(figure)
    kinds = _PARTS.get(function) or (cast("PartKind", function),)  # the rest are parts themselves
    parts = tuple(Part(kind, figure.argument) for kind in kinds)
    return OnlineFigure(function, parts, figure.type)


def _function(figure: Figure) -> Function:
    if figure.function == "count":
        if figure.argument is None:
            return "rows"
        return "distinct" if figure.distinct else "count"
    return cast("Function", figure.function)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a group, a row for each key and moment, in that order.

    Columns of `sql`: the keys as `__key__0`, ..., `__t__` (microseconds since 1970), and a column
    for each of the `parts`, by its id.
    """

    group: str
    keys: int
    parts: tuple[Part, ...]
    windows: tuple[int, ...]
    sql: str


def online_rows(
    engine: Engine, sources: Sequence[Source], rejected: Rejected, until: int
) -> Iterator[Rows]:
    """The rows of each group up to the moment `until`, groups by their ids ascending."""
    groups: dict[str, list[Source]] = {}
    for source in sources:
        for feature in source.features[:1]:
            groups.setdefault(feature.group, []).append(source)
    for group in sorted(groups):
        yield _rows(engine, group, groups[group], rejected, until)


def _rows(
    engine: Engine, group: str, sources: Sequence[Source], rejected: Rejected, until: int
) -> Rows:
    first = sources[0]
    features = [f for source in sources for f in source.features]
    parts = {part.id: part for feature in features for part in feature.parts()}
    known: dict[str, ValueType] = {}
    for source in sources:
        known.update(source.table.types)
    read = [n for p in parts.values() if p.argument is not None for n in columns_of(p.argument)]
    names = dict.fromkeys([*first.keys, *read, *([first.time] if first.time else [])])
    facts = facts_sql(engine, first.table, {name: known[name] for name in names}, rejected)
    at = quote(first.time) if first.time else _EPOCH
    keys = [f"{quote(name)} as {quote(f'{KEY}{i}')}" for i, name in enumerate(first.keys)]
    told = [f"{quote(name)} is not null" for name in first.keys] + [f"isfinite({at})"]
    arguments = {p.id: _argument(p.argument) for p in parts.values()}
    values = [f"{sql} as {quote(f'value_{name}')}" for name, sql in arguments.items()]
    named = [quote(f"{KEY}{i}") for i in range(len(first.keys))]
    cells = [f"{_cell(p)} as {quote(p.id)}" for p in parts.values()]
    by = ", ".join([*named, T])
    inner = (
        f"select {', '.join([*keys, f'epoch_us({at}) as {T}', f'{ROW} as {NUMBER}', *values])} "
        f"from {facts} where {' and '.join(told)}"
    )
    limit = f"where {T} <= {until}" if first.time else ""
    sql = f"select {by}, {', '.join(cells)} from ({inner}) {limit} group by {by} order by {by}"
    windows = tuple(f.window for f in features if f.window is not None)
    return Rows(group, len(first.keys), tuple(parts.values()), windows, sql)


def _argument(node: Node | None) -> str:
    if node is None:
        return "null"
    sql = render(node)
    return f"try(epoch_us(cast({sql} as timestamp)))" if node.type in _MOMENTS else sql


def _cell(part: Part) -> str:
    value = quote(f"value_{part.id}")
    number = f"cast({value} as double)"
    match part.kind:
        case "rows":
            return "count(*)"
        case "count":
            return f"count({value})"
        case "sum":
            return f"fsum({number})"
        case "moments":
            listed = f"[cast(count({value}) as double), avg({number}), "
            spread = f"coalesce(var_pop({number}), 0) * count({value})]"
            return f"case when count({value}) > 0 then {listed}{spread} end"
        case "first":
            return f"arg_min({value}, {NUMBER})"
        case "last":
            return f"arg_max({value}, {NUMBER})"
        case "distinct":
            return f"list_sort(list(distinct {value}) filter (where {value} is not null))"
        case "value":
            return f"last({value} order by {NUMBER})"
        case kind:
            return f"{kind}({value})"
