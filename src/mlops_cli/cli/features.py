"""`mlops features`: what it can do, and how its results look."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from mlops_cli.cli.look import row
from mlops_cli.cli.rendering import echo_rows

if TYPE_CHECKING:
    from mlops_cli.actions.features import FeaturesResult
    from mlops_cli.actions.online import LookupResult, MaterializeResult


class What(StrEnum):
    """What to do."""

    list = "list"
    show = "show"
    lineage = "lineage"
    materialize = "materialize"
    get = "get"


def render_features(result: FeaturesResult) -> None:
    """A line a feature."""
    for entry in result.features:
        sources = [f"{s.table}: {s.column}" for s in (*entry.sources, *entry.keys)]
        if result.action == "lineage":
            echo_rows([row(entry.name, ", ".join(sources))])
        else:
            echo_rows([row(entry.name, entry.kind, entry.type, entry.made)])


def render_materialized(result: MaterializeResult) -> None:
    """What the store holds."""
    echo_rows(
        [
            row("store", result.store),
            row("until", result.until),
            row("features", ", ".join(result.features)),
            row("keys", f"{result.keys:,}"),
            row("moments", f"{result.moments:,}"),
            row("changed", f"{result.changed:,} buckets"),
        ]
    )


def render_looked_up(result: LookupResult) -> None:
    """A line a feature."""
    echo_rows([row(name, "" if v is None else str(v)) for name, v in result.values.items()])
    if result.expired:
        echo_rows([row(f"the store knows rows up to {result.until}: features.online.ttl is over")])
