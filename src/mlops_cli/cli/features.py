"""`mlops features`: what it can do, and how its results look."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

import typer

from mlops_cli.cli.look import Row, row
from mlops_cli.cli.rendering import echo_rows
from mlops_cli.cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from pathlib import Path

    from mlops_cli.actions.features import FeaturesResult
    from mlops_cli.actions.online import LookupResult, MaterializeResult
    from mlops_cli.actions.suggest import SuggestResult
    from mlops_cli.features.lineage import FeatureEntry
    from mlops_cli.governance.features import FeatureState


class What(StrEnum):
    """What to do."""

    list = "list"
    suggest = "suggest"
    show = "show"
    lineage = "lineage"
    page = "page"
    publish = "publish"
    approve = "approve"
    materialize = "materialize"
    get = "get"


class Form(StrEnum):
    """Forms of a lineage for other tools."""

    mermaid = "mermaid"
    openlineage = "openlineage"


def render_features(result: FeaturesResult, *, form: Form | None = None) -> None:
    """The result of an action; `form` is that of a lineage for another tool."""
    if form is Form.openlineage and result.openlineage:
        typer.echo(json.dumps(result.openlineage, indent=2))
    elif form is Form.mermaid and result.mermaid:
        typer.echo(result.mermaid, nl=False)
    elif result.file:
        typer.echo(result.file)
    elif result.action in ("publish", "approve"):
        for name in result.published:
            typer.echo(f"published: {name}")
        echo_rows([_registered(state) for state in result.registry])
    elif result.action == "lineage":
        echo_rows([_sources(entry) for entry in result.features])
    else:
        _list(result)


def _list(result: FeaturesResult) -> None:
    states, rows = {state.name: state for state in result.registry}, []
    for entry in result.features:
        told = [entry.name, entry.kind, entry.type, entry.made]
        told += [_said(states[entry.name])] if entry.name in states else []
        rows.append(row(*told))
    echo_rows(rows)
    for state in result.registry if result.action == "show" else ():
        used = [f"{u.model} (version {u.version})" for u in result.used_by.get(state.name, ())]
        about = [("description", state.description), ("used by", ", ".join(used))]
        echo_rows([row(name, text) for name, text in about if text])


def _sources(entry: FeatureEntry) -> Row:
    sources = [f"{s.table}: {s.column}" for s in (*entry.sources, *entry.keys)]
    return row(entry.name, ", ".join(sources))


def _registered(state: FeatureState) -> Row:
    return row(state.name, _said(state), colour="yellow" if state.missing else "green")


def _said(state: FeatureState) -> str:
    parts = [f"version {state.version}"]
    parts += [f"owner {state.owner}"] if state.owner else []
    if state.changed:
        parts.append("CHANGED since it was published")
    elif not state.published:
        parts.append("not published")
    if state.approved_by:
        parts.append(f"approved by {state.approved_by}")
    elif state.missing:
        parts.append(f"approval of {state.missing} MISSING")
    return ", ".join(parts)


def suggest(project: Path | None, env: str | None) -> SuggestResult:
    """`mlops features suggest` of the project in that folder."""
    from mlops_cli.actions.suggest import suggest_features
    from mlops_cli.config.load import load_project

    return suggest_features(load_project(project, env=env), progress=TerminalProgress())


def render_suggested(result: SuggestResult) -> None:
    """A line a suggestion, and where they stand as definitions."""
    for one in result.suggested:
        made = one.expression or " ".join(f"{k}: {v}" for k, v in (one.aggregate or {}).items())
        echo_rows([row(one.name, made, f"{one.worth.value:.3g} a row")])
    if result.together is not None:
        sure = "surely" if result.together.low > 0 else "not surely"
        typer.echo(f"all together: {result.together.value:.3g} a row, {sure} more than nothing")
    typer.echo(f"{len(result.suggested)} of {result.looked} candidates: {result.file}")


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
