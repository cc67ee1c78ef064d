"""What an aggregate may read: columns that are there, of one type, and nothing of the future."""

from __future__ import annotations

from collections.abc import Mapping

from mlops_cli.config.model import Config
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.sections.base import format_duration
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.errors import UsageError
from mlops_cli.expressions.tree import Node, ValueType, columns_of
from mlops_cli.features.aggregates import Aggregate, parse_aggregate
from mlops_cli.features.expressions import unknown_column

Types = Mapping[str, ValueType]


def check_aggregate(
    key: str, config: Config, aggregate: AggregateConfig, tables: tuple[Types, Types], target: Node
) -> ValueType:
    """The type of an aggregate; `tables` are the types of its table and of the events.

    Raises `UsageError` naming `key` for a column that a table lacks, keys of two types, an
    expression outside the closed set, and one that knows what nobody knew at the event's time.
    """
    types, event = tables
    _check_keys(key, aggregate, types, event)
    _check_versions(key, config, aggregate)
    _check_times(key, config, aggregate, types)
    try:
        parsed = parse_aggregate(aggregate.expr, types)
    except UsageError as e:
        raise UsageError(f"{CONFIG}: {key}.expr: {e.message}", hint=e.hint) from e
    if parsed.tree.type in ("date", "timestamp"):
        raise UsageError(
            f"{CONFIG}: {key}.expr is a {parsed.tree.type}, which is no feature by itself",
            hint="`epoch(max(x))` is a number",
        )
    _check_future(key, config, aggregate, parsed, target)
    return parsed.tree.type


def _check_keys(key: str, aggregate: AggregateConfig, types: Types, event: Types) -> None:
    for name in aggregate.by:
        for side in (types, event):
            if name not in side:
                e = unknown_column(name, side)
                raise UsageError(f"{CONFIG}: {key}.by: {e.message}", hint=e.hint)
        if types[name] != event[name]:
            raise UsageError(
                f"{CONFIG}: {key}.by: `{name}` is {event[name]} in the events and {types[name]} "
                f"in {aggregate.table}",
                hint="give it one type in both contracts",
            )


def _check_versions(key: str, config: Config, aggregate: AggregateConfig) -> None:
    """A table whose rows have versions has no figures of its rows: each would count as one."""
    for i, join in enumerate(config.features.join):
        if join.table == aggregate.table and join.known_at is not None:
            raise UsageError(
                f"{CONFIG}: {key}.table: rows of {aggregate.table} have versions "
                f"(features.join.{i}.known_at), and an aggregate would count each version",
                hint="aggregate a table that has each row once",
            )


def _check_times(key: str, config: Config, aggregate: AggregateConfig, types: Types) -> None:
    if config.data.time is None:
        raise UsageError(
            f"{CONFIG}: {key} needs the events' own time", hint="name it under data.time"
        )
    asof = aggregate.asof or config.data.time
    if asof not in types:
        e = unknown_column(asof, types)
        raise UsageError(f"{CONFIG}: {key}.asof: {e.message}", hint=e.hint)
    if types[asof] != "timestamp":
        raise UsageError(
            f"{CONFIG}: {key}.asof: `{asof}` is {types[asof]}, and a time is needed",
            hint="name a column of dates or timestamps (ISO 8601 text will do)",
        )


def _check_future(
    key: str, config: Config, aggregate: AggregateConfig, parsed: Aggregate, target: Node
) -> None:
    """Of the events' own table an event may see neither itself nor outcomes that came later."""
    if aggregate.table != config.data.table:
        return
    if not aggregate.lag:
        raise UsageError(
            f"{CONFIG}: {key}.lag: over the events' own table an event would see itself",
            hint="give a lag above 0, such as lag: 1s",
        )
    outcome = {*columns_of(target), config.data.target_name}
    if not (read := [name for name in parsed.columns if name in outcome]):
        return
    known = config.data.target_known_after
    if known is None:
        raise UsageError(
            f"{CONFIG}: {key}.expr reads `{read[0]}`, of which the target is made",
            hint="say when it is known: data.target_known_after, and lag at least so long",
        )
    if aggregate.lag < known:
        raise UsageError(
            f"{CONFIG}: {key}.lag: {format_duration(aggregate.lag)} is shorter than "
            f"data.target_known_after, and the expression reads `{read[0]}`",
            hint=f"lag: {format_duration(known)}",
        )
