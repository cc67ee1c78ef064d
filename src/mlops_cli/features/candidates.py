"""Features that might be: ratios, differences, and figures of joined tables and earlier events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from mlops_cli.config.model import Config
from mlops_cli.config.sections.base import format_duration
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.expressions.tree import columns_of
from mlops_cli.features.base import Layout, Schemas, join_numbers
from mlops_cli.tables.base import quote

MOST = 8  # numbers of which pairs are made
_WINDOWS = (timedelta(days=1), timedelta(days=7))
_KEYS = 3  # by which earlier events are looked at
_HISTORIES = 3  # numbers whose earlier values are
_BEFORE = timedelta(seconds=1)  # what an event brings is known to all later ones


@dataclass(frozen=True, slots=True)
class Candidate:
    """A feature as `mlops.yaml` would have it: a row expression, or an aggregate.

    `of` are the columns that it is made of: of two candidates of the same ones, one is enough.
    """

    name: str
    of: tuple[str, ...]
    definition: str | AggregateConfig


def plain_numbers(layout: Layout) -> list[str]:
    """The features that are a number's column as it is, in order."""
    return [
        t.name
        for t in layout.trees
        if t.tree.op == "column" and t.tree.value == t.name and t.tree.type in ("integer", "float")
    ]


def candidates(config: Config, schemas: Schemas, layout: Layout) -> list[Candidate]:
    """Those of pairs of the first `MOST` numbers, of joined tables, and of earlier events by key.

    Names that a table or a feature has are left out.
    """
    numbers = plain_numbers(layout)
    taken = {name.lower() for schema in schemas.values() for name in schema.types}
    taken |= {name.lower() for name in config.features.row}
    taken |= {aggregate.name.lower() for aggregate in config.features.aggregates}
    found = [*_pairs(numbers[:MOST]), *_means(config, schemas), *_histories(config, layout)]
    return list(_free(found, taken))


def with_candidates(config: Config, found: Collection[Candidate]) -> Config:
    """The configuration with these features beside its own."""
    rows = {c.name: c.definition for c in found if isinstance(c.definition, str)}
    aggregates = tuple(c.definition for c in found if isinstance(c.definition, AggregateConfig))
    section = config.features
    features = section.model_copy(
        update={
            "row": {**section.row, **rows},
            "aggregates": (*section.aggregates, *aggregates),
        }
    )
    return config.model_copy(update={"features": features})


def _pairs(numbers: Sequence[str]) -> Iterator[Candidate]:
    for one, other in combinations(numbers, 2):
        of = (one, other)
        yield Candidate(f"{one}_per_{other}", of, f"{quote(one)} / nullif({quote(other)}, 0)")
        yield Candidate(f"{one}_less_{other}", of, f"{quote(one)} - {quote(other)}")


def _means(config: Config, schemas: Schemas) -> Iterator[Candidate]:
    for join in config.features.join:
        if join.asof is None or not join.on or config.data.time is None:
            continue
        if _has_versions(config, join.table):  # an aggregate would count each of them
            continue
        for name in join_numbers(schemas[join.table], join):
            for window in _WINDOWS:
                aggregate = AggregateConfig(
                    name=f"{name}_mean_{format_duration(window)}",
                    expr=f"avg({quote(name)})",
                    table=join.table,
                    by=join.on,
                    window=window,
                    lag=join.lag,
                    asof=join.asof,
                )
                yield Candidate(aggregate.name, (name,), aggregate)


def _histories(config: Config, layout: Layout) -> Iterator[Candidate]:
    """How many events a key had before, and means of their numbers and, once known, outcomes."""
    if config.data.time is None or _has_versions(config, config.data.table):
        return
    figures = list(_figures(config, layout))
    for by in _keys(config, layout):
        for name, of, expr, lag in figures:
            for window in _WINDOWS:
                aggregate = AggregateConfig(
                    name=f"{name}_{format_duration(window)}_by_{'_'.join(by)}",
                    expr=expr,
                    table=config.data.table,
                    by=by,
                    window=window,
                    lag=lag,
                )
                yield Candidate(aggregate.name, (*by, *of), aggregate)


def _figures(
    config: Config, layout: Layout
) -> Iterator[tuple[str, tuple[str, ...], str, timedelta]]:
    """Of earlier events: a name, the columns, the expression, and when it is known."""
    data, target = config.data, layout.target_tree
    outcome = {*columns_of(target), data.target_name}
    yield "events", (), "count(*)", _BEFORE
    known = data.target_known_after
    if known is not None and target.type in ("boolean", "integer", "float"):
        expr = data.target_expression or quote(data.target_name)
        yield f"{data.target_name}_mean", (data.target_name,), f"avg({expr})", max(known, _BEFORE)
    own = [name for name in plain_numbers(layout) if name in layout.event and name not in outcome]
    for name in own[:_HISTORIES]:
        yield f"{name}_mean", (name,), f"avg({quote(name)})", _BEFORE


def _keys(config: Config, layout: Layout) -> list[tuple[str, ...]]:
    """Whom or what earlier events may be of: subjects, keys of joins, and categories."""
    categories = [
        (str(t.tree.value),)
        for t in layout.trees
        if t.tree.op == "column" and t.tree.value in layout.event and t.tree.type == "text"
    ]
    joined = [join.on for join in config.features.join]
    found = [key for key in (config.data.id.subject, *joined, *categories) if key]
    return list(dict.fromkeys(found))[:_KEYS]


def _has_versions(config: Config, table: str) -> bool:
    return any(join.table == table and join.known_at for join in config.features.join)


def _free(found: Sequence[Candidate], taken: set[str]) -> Iterator[Candidate]:
    for candidate in found:
        if candidate.name.lower() not in taken:
            taken.add(candidate.name.lower())
            yield candidate
