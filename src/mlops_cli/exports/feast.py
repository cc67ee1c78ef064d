"""Joined and aggregated features as a repository of Feast: definitions, and values by moment.

Feast knows no windows over a table that cut at the moment of an event. What it reads is a value
and since when it holds: here one for every moment at which a feature of a key changes, made as
`featurize` makes it, so that its join in time finds the same value at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.exports.base import Rendered
from mlops_cli.expressions.tree import ValueType
from mlops_cli.features.base import AggregateSource, JoinSource, load_schemas
from mlops_cli.features.events import Events, Rejected, events_sql, facts_sql, microseconds
from mlops_cli.features.layout import check_features
from mlops_cli.features.table import aggregate_sources, join_sources, rejected_rows
from mlops_cli.tables.base import ROW, Engine, quote

_TYPES: Mapping[ValueType, tuple[str, str]] = {
    "boolean": ("Bool", "BOOL"),
    "integer": ("Int64", "INT64"),
    "float": ("Float64", "DOUBLE"),
    "text": ("String", "STRING"),
    "date": ("UnixTimestamp", "UNIX_TIMESTAMP"),
    "timestamp": ("UnixTimestamp", "UNIX_TIMESTAMP"),
}
_TIME = "event_timestamp"
_STORE = """\
project: {project}
provider: local
registry: data/registry.db
online_store:
  type: sqlite
  path: data/online_store.db
offline_store:
  type: file
entity_key_serialization_version: 3
"""
_HEAD = '''\
"""The features of {project} that are found by key. `feast apply`, then `feast materialize`."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float64, Int64, String, UnixTimestamp

'''
_ENTITY = "{name} = Entity(name={name!r}, join_keys=[{name!r}], value_type=ValueType.{kind})\n"
_VIEW = """\
{name} = FeatureView(
    name={name!r},
    entities=[{entities}],
    ttl=timedelta(0),  # for ever: where a value ends, the file says so
    schema=[
{fields}    ],
    source=FileSource(path={path!r}, timestamp_field={time!r}),
)
"""
_SERVICE = "service = FeatureService(name={name!r}, features=[{views}])\n"


@dataclass(frozen=True, slots=True)
class View:
    """The features of the same keys; `types` are those of keys and features."""

    name: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    types: Mapping[str, ValueType]
    joins: tuple[JoinSource, ...]
    aggregates: tuple[AggregateSource, ...]

    @property
    def path(self) -> str:
        """Its file in the repository."""
        return f"data/{self.name}.parquet"


def feast_files(project: Project) -> Rendered:
    """`feature_store.yaml` and `features.py`.

    Raises `UsageError` where no feature is found by key, or a name cannot be one of Python's.
    """
    views, left_out = feast_views(project)
    if not views:
        raise UsageError(
            "no feature is found by key: there is nothing for Feast to keep",
            hint="features.join or features.aggregates",
        )
    config = project.config
    name = config.project.replace("-", "_").replace(".", "_")
    types = {key: view.types[key] for view in views for key in view.keys}
    text = [_HEAD.format(project=config.project)]
    text += [_ENTITY.format(name=n, kind=_TYPES[kind][1]) for n, kind in types.items()]
    text += [_view(view) for view in views]
    text.append(_SERVICE.format(name=name, views=", ".join(view.name for view in views)))
    remarks = [
        "feast apply; then feast materialize-incremental $(date -u +%Y-%m-%dT%H:%M:%S)",
        "columns of the event and features.row are not in it: whoever asks has them",
        "of a key without any row Feast has null, where a count is 0",
        *(f"{what} is not in it" for what in left_out),
    ]
    files = {"feature_store.yaml": _STORE.format(project=name), "features.py": "\n".join(text)}
    return Rendered(files, tuple(remarks))


def feast_views(project: Project) -> tuple[list[View], list[str]]:
    """The views, a one for each set of keys, and what is left out."""
    schemas = load_schemas(project)
    layout = check_features(project.config, schemas, project.root)
    kinds = {i.name: i.type for i in layout.inputs}
    joins: dict[tuple[str, ...], list[JoinSource]] = {}
    aggregates: dict[tuple[str, ...], list[AggregateSource]] = {}
    left_out = []
    for join in join_sources(project, schemas):
        if not join.config.on or join.config.known_at is not None:
            left_out.append(f"the join of {join.config.table} (without keys, or with known_at)")
            continue
        joins.setdefault(join.config.on, []).append(join)
    for aggregate in aggregate_sources(project, schemas):
        aggregates.setdefault(aggregate.config.by, []).append(aggregate)
    views = [
        _made(keys, joins.get(keys, ()), aggregates.get(keys, ()), kinds | dict(layout.event))
        for keys in {**joins, **aggregates}
    ]
    for view in views:
        for name in (*view.keys, *view.features):
            if not name.isidentifier():
                raise UsageError(f"{name!r} is no name in Feast", hint="letters, digits and _ only")
    return views, left_out


def _made(
    keys: tuple[str, ...],
    joins: Sequence[JoinSource],
    aggregates: Sequence[AggregateSource],
    types: Mapping[str, ValueType],
) -> View:
    features = [name for join in joins for name in join.config.columns]
    features += [a.config.name for a in aggregates]
    return View(
        name="by_" + "_".join(keys),
        keys=keys,
        features=tuple(features),
        types={name: types[name] for name in (*keys, *features)},
        joins=tuple(joins),
        aggregates=tuple(aggregates),
    )


def _view(view: View) -> str:
    fields = [f"        Field(name={n!r}, dtype={_TYPES[view.types[n]][0]}),\n"
        for n in (*view.keys, *view.features)]  # fmt: skip
    return _VIEW.format(
        name=view.name,
        entities=", ".join(view.keys),
        fields="".join(fields),
        path=view.path,
        time=_TIME,
    )


def write_feast_tables(engine: Engine, project: Project, folder: Path) -> list[str]:
    """Write each view's file to the repository in `folder`; returns their names there."""
    views, _ = feast_views(project)
    rejected = rejected_rows(project)
    for view in views:
        (folder / view.path).parent.mkdir(parents=True, exist_ok=True)
        engine.write_parquet(view_sql(engine, view, rejected), folder / view.path)
    return [view.path for view in views]


def view_sql(engine: Engine, view: View, rejected: Rejected) -> str:
    """A query of keys, `event_timestamp` and features, a row for each moment of a change."""
    keys = ", ".join(map(quote, view.keys))
    changes = list(_changes(engine, view, rejected))
    told = " and ".join(f"{quote(key)} is not null" for key in view.keys)
    moments = f"(select distinct {keys}, moment from ({' union all '.join(changes)}) where {told})"
    # Before its first row, too, a key has a value: a count is 0 then.
    first = (
        f"select distinct {keys}, (select coalesce(min(moment), timestamp '1970-01-01') "
        f"- interval 1 day from {moments}) as moment from {moments}"
    )
    relation = (
        f"(select {keys}, moment as {quote(_TIME)}, row_number() over () - 1 as {ROW} from "
        f"(select * from {moments} where moment is not null union {first}))"
    )
    events = Events(
        columns={key: view.types[key] for key in view.keys} | {_TIME: "timestamp"},
        time=_TIME,
        joins=view.joins,
        inputs=view.features,
        rows=(),
        aggregates=view.aggregates,
        ids=(*view.keys, _TIME),
    )
    ids = [f"{quote('__id__' + key)} as {quote(key)}" for key in view.keys]
    moment = f"{quote('__id__' + _TIME)} at time zone 'UTC' as {quote(_TIME)}"
    cells = ", ".join([*ids, moment, *map(quote, view.features)])
    made = events_sql(engine, events, relation, rejected)
    return f"select {cells} from ({made}) order by {keys}, {quote(_TIME)}"


def _changes(engine: Engine, view: View, rejected: Rejected) -> Iterator[str]:
    """Queries of keys and `moment`: when a row begins to count, and when it ends."""
    for aggregate in view.aggregates:
        lag, window = (microseconds(s) for s in (aggregate.config.lag, aggregate.config.window))
        yield from _moments(
            engine, aggregate, view, rejected, (aggregate.time, [lag, lag + window])
        )
    for join in view.joins:
        ends = [microseconds(join.config.lag)]
        if join.config.ttl is not None:
            ends.append(microseconds(join.config.ttl) + 1)
        yield from _moments(engine, join, view, rejected, (join.config.asof, ends))


def _moments(
    engine: Engine,
    source: AggregateSource | JoinSource,
    view: View,
    rejected: Rejected,
    when: tuple[str | None, Sequence[int]],
) -> Iterator[str]:
    time, offsets = when
    keys = ", ".join(map(quote, view.keys))
    names = [*view.keys, *([time] if time else [])]
    facts = facts_sql(engine, source, {name: source.types[name] for name in names}, rejected)
    if time is None:
        yield f"select {keys}, cast(null as timestamp) as moment from {facts}"
        return
    for offset in offsets:
        yield f"select {keys}, {quote(time)} + to_microseconds({offset}) as moment from {facts}"
