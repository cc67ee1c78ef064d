"""Where each feature comes from: the columns of tables that its value is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mlops_cli.config.model import Config
from mlops_cli.config.sections.base import format_duration
from mlops_cli.config.sections.features import AggregateConfig, JoinConfig
from mlops_cli.expressions.python_sources import OP as PYTHON
from mlops_cli.expressions.python_sources import function_of
from mlops_cli.expressions.tree import FeatureTree, ValueType, columns_of
from mlops_cli.features.aggregates import parse_aggregate
from mlops_cli.features.base import Layout, Schemas
from mlops_cli.features.layout import aggregate_types

Kind = Literal["column", "row", "join", "aggregate", "python"]


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column of a table, by the table's path in the project."""

    table: str
    column: str


@dataclass(frozen=True, slots=True)
class FeatureEntry:
    """A feature: how it is made, from what.

    `made` says it in words of `mlops.yaml`: an expression, or how a row of a table is found.
    `sources` are the columns that its value is made of, `keys` those by which rows are found.
    """

    name: str
    kind: Kind
    type: ValueType
    made: str
    sources: tuple[SourceColumn, ...]
    keys: tuple[SourceColumn, ...] = ()


def feature_entries(config: Config, layout: Layout, schemas: Schemas) -> list[FeatureEntry]:
    """Every feature of the model, in its order."""
    origins = _Origins(config, schemas)
    return [_entry(config, origins, tree) for tree in layout.trees]


class _Origins:
    """What each column that a feature may read comes from."""

    def __init__(self, config: Config, schemas: Schemas) -> None:
        self._table = config.data.table
        self.joins: Mapping[str, JoinConfig] = {
            name: join for join in config.features.join for name in join.columns
        }
        self.aggregates: Mapping[str, AggregateConfig] = {
            a.name: a for a in config.features.aggregates
        }
        self._read = {
            name: parse_aggregate(a.expr, aggregate_types(schemas, a, config.data.time)).columns
            for name, a in self.aggregates.items()
        }

    def sources(self, name: str) -> tuple[SourceColumn, ...]:
        """The columns that the values of a column are made of."""
        if (join := self.joins.get(name)) is not None:
            return (SourceColumn(join.table, name),)
        if (aggregate := self.aggregates.get(name)) is not None:
            return _columns(aggregate.table, self._read[name])
        return (SourceColumn(self._table, name),)

    def keys(self, name: str, time: str | None) -> tuple[SourceColumn, ...]:
        """The columns by which the rows of a column are found."""
        if (join := self.joins.get(name)) is not None:
            return _columns(join.table, [*join.on, *join.times])
        if (aggregate := self.aggregates.get(name)) is not None:
            moment = aggregate.asof or time or ""
            return _columns(aggregate.table, [*aggregate.by, moment])
        return ()


def _columns(table: str, names: Sequence[str]) -> tuple[SourceColumn, ...]:
    return tuple(SourceColumn(table, name) for name in names)


def _entry(config: Config, origins: _Origins, tree: FeatureTree) -> FeatureEntry:
    name, read = tree.name, tuple(columns_of(tree.tree))
    sources = [source for column in read for source in origins.sources(column)]
    keys = [key for column in read for key in origins.keys(column, config.data.time)]
    made = _made(config, origins, tree)
    return FeatureEntry(
        name=name,
        kind=made[0],
        type=tree.tree.type,
        made=made[1],
        sources=tuple(dict.fromkeys(sources)),
        keys=tuple(dict.fromkeys(keys)),
    )


def _made(config: Config, origins: _Origins, tree: FeatureTree) -> tuple[Kind, str]:
    name = tree.name
    if tree.tree.op == PYTHON:
        return "python", function_of(tree.tree).shown
    if (text := config.features.row.get(name)) is not None:
        return "row", text
    if (join := origins.joins.get(name)) is not None:
        by = f"by {', '.join(join.on)}" if join.on else "by time"
        asof = f", newest {join.asof}, lag {format_duration(join.lag)}" if join.asof else ""
        asof += f", as known by {join.known_at}" if join.known_at else ""
        return "join", f"{join.table} {by}{asof}"
    if (aggregate := origins.aggregates.get(name)) is not None:
        span = f"{format_duration(aggregate.window)}, lag {format_duration(aggregate.lag)}"
        by = ", ".join(aggregate.by)
        return "aggregate", f"{aggregate.expr} of {aggregate.table} by {by} over {span}"
    return "column", name


def mermaid(entries: Sequence[FeatureEntry]) -> str:
    """The lineage as a Mermaid flowchart: source columns to features."""
    sources = dict.fromkeys(source for entry in entries for source in entry.sources)
    numbers = {source: f"s{n}" for n, source in enumerate(sources)}
    lines = ["flowchart LR"]
    lines += [f'  {n}["{_text(f"{s.table}: {s.column}")}"]' for s, n in numbers.items()]
    for i, entry in enumerate(entries):
        lines.append(f'  f{i}(["{_text(entry.name)}"])')
        lines += [f"  {numbers[source]} --> f{i}" for source in entry.sources]
    return "\n".join(lines) + "\n"


def _text(name: str) -> str:
    return name.replace('"', "#quot;")
