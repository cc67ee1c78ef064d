"""Features that might be: ratios, differences, and means of joined tables' columns over windows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from mlops_cli.config.model import Config
from mlops_cli.config.sections.base import format_duration
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.features.base import Layout, Schemas, join_numbers
from mlops_cli.tables.base import quote

MOST = 8  # numbers of which pairs are made
_WINDOWS = (timedelta(days=1), timedelta(days=7))


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


def candidates(config: Config, schemas: Schemas, numbers: Sequence[str]) -> list[Candidate]:
    """Those of pairs of the first `MOST` of `numbers`, and of the tables that are joined by time.

    Names that a table or a feature has are left out.
    """
    taken = {name.lower() for schema in schemas.values() for name in schema.types}
    taken |= {name.lower() for name in config.features.row}
    taken |= {aggregate.name.lower() for aggregate in config.features.aggregates}
    return list(_free([*_pairs(numbers[:MOST]), *_means(config, schemas)], taken))


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


def _free(found: Sequence[Candidate], taken: set[str]) -> Iterator[Candidate]:
    for candidate in found:
        if candidate.name.lower() not in taken:
            taken.add(candidate.name.lower())
            yield candidate
