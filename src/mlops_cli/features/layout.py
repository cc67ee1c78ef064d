"""Resolve the `features` and `data` sections against the tables' types: inputs, features, trees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from mlops_cli.bundle.manifest import Feature, Input, Target, Task
from mlops_cli.config.model import Config
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.sections.features import AggregateConfig, JoinConfig
from mlops_cli.errors import UsageError
from mlops_cli.expressions.python_sources import OP as PYTHON
from mlops_cli.expressions.tree import FeatureTree, Node, ValueType, columns_of
from mlops_cli.features.base import Layout, Schemas, TableSchema, in_form
from mlops_cli.features.expressions import parse, unknown_column
from mlops_cli.features.known_then import check_aggregate
from mlops_cli.features.python import python_trees
from mlops_cli.features.typing import operation

_SHOWN = 200  # characters of an expression
_WITHIN = (
    "make a number of it within the expression, such as `dayofweek({0})` or "
    "`date_diff('day', {0}, ...)`"
)
_MOMENT_HINT = (
    "make numbers of it under features.row, such as `hour({0})`, `dayofweek({0})` or "
    "`date_diff('day', {0}, ...)`"
)


def check_features(config: Config, schemas: Schemas, root: Path | None = None) -> Layout:
    """The layout that the configuration asks for, by the contracts' types of every table.

    `root` is the project's folder, where the files of `features.python` are read (not run).

    Raises `UsageError` naming the key in `mlops.yaml` for a column that no table has (with the
    nearest name), names that clash, an expression outside the closed set, types that do not fit,
    a feature that is the target itself, and a configuration without any feature.
    """
    event = _event_types(config, schemas)
    joined = _joined_types(config, schemas, event)
    target, target_tree = _target(config, event)
    known = {**event, **joined}
    _check_names(config, event, joined)
    _check_ids(config, event)
    trees = _trees(config, known)
    trees = (*trees, *python_trees(config, known, trees, root))
    _check_leaks(config, trees)
    _check_no_id(config, trees)
    columns = _columns(config, schemas, known, joined)
    return Layout(
        inputs=(*_inputs(trees, columns), *_lookups(config, trees, columns)),
        features=tuple(Feature(t.name, _kind(t.tree.type)) for t in trees),
        trees=trees,
        rows=frozenset((*config.features.row, *(t.name for t in trees if t.tree.op == PYTHON))),
        target=target,
        target_tree=target_tree,
        event=event,
        forms=in_form(event, schemas[config.data.table].forms),
    )


def join_types(schemas: Schemas, join: JoinConfig) -> dict[str, ValueType]:
    """The types of a joined table; the columns that `asof` and `known_at` name are timestamps."""
    types = dict(schemas[join.table].types)
    return types | {name: "timestamp" for name in join.times if types.get(name) in ("text", "date")}


def aggregate_types(
    schemas: Schemas, aggregate: AggregateConfig, time: str | None
) -> dict[str, ValueType]:
    """The types of an aggregated table; its time column is a timestamp."""
    return event_types(schemas[aggregate.table], aggregate.asof or time)


def event_types(schema: TableSchema, time: str | None) -> dict[str, ValueType]:
    """The types of the events table; the column that `data.time` names is a timestamp."""
    types = dict(schema.types)
    if time is not None and types.get(time) in ("text", "date"):
        types[time] = "timestamp"
    return types


def _event_types(config: Config, schemas: Schemas) -> dict[str, ValueType]:
    time = config.data.time
    types = event_types(schemas[config.data.table], time)
    if time is not None and time not in types:
        raise _at("data.time", unknown_column(time, types))
    if time is not None and types[time] != "timestamp":
        raise UsageError(
            f"{CONFIG}: data.time: `{time}` is {types[time]}, and a time is needed",
            hint="name a column of dates or timestamps (ISO 8601 text will do)",
        )
    return types


def _joined_types(
    config: Config, schemas: Schemas, event: Mapping[str, ValueType]
) -> dict[str, ValueType]:
    joined: dict[str, ValueType] = {}
    for i, join in enumerate(config.features.join):
        key = f"features.join.{i}"
        types = join_types(schemas, join)
        _check_join(key, join, types, event)
        if join.asof is not None and config.data.time is None:
            raise UsageError(
                f"{CONFIG}: {key}.asof needs the events' own time",
                hint="name it under data.time, or join on keys alone",
            )
        for name in join.columns:
            if name not in types:
                raise _at(f"{key}.columns", unknown_column(name, types))
            if _taken(name, joined) or _taken(name, event):
                where = config.data.table if _taken(name, event) else "another join"
                raise _clash(f"{key}.columns", name, f"`{where}` has it, too")
            joined[name] = types[name]
    for i, aggregate in enumerate(config.features.aggregates):
        name = aggregate.name
        tables = aggregate_types(schemas, aggregate, config.data.time), event
        key = f"features.aggregates.{i}"
        kind = check_aggregate(key, config, aggregate, tables, _target(config, event)[1])
        if _taken(name, joined) or _taken(name, event):
            raise _clash(key, name, "a table or another feature has it")
        joined[name] = kind
    return joined


def _check_join(
    key: str,
    join: JoinConfig,
    types: Mapping[str, ValueType],
    event: Mapping[str, ValueType],
) -> None:
    for name in join.on:
        for side in (types, event):
            if name not in side:
                raise _at(f"{key}.on", unknown_column(name, side))
        if types[name] != event[name]:
            raise UsageError(
                f"{CONFIG}: {key}.on: `{name}` is {event[name]} in the events and {types[name]} "
                f"in {join.table}",
                hint="give it one type in both contracts",
            )
    for said, time in (("asof", join.asof), ("known_at", join.known_at)):
        if time is not None and time not in types:
            raise _at(f"{key}.{said}", unknown_column(time, types))
        if time is not None and types[time] != "timestamp":
            raise UsageError(
                f"{CONFIG}: {key}.{said}: `{time}` is {types[time]}, and a time is needed",
                hint="name a column of dates or timestamps (ISO 8601 text will do)",
            )


def _target(config: Config, event: Mapping[str, ValueType]) -> tuple[Target, Node]:
    name, expression = config.data.target_name, config.data.target_expression
    if expression is None:
        if name not in event:
            raise _at("data.target", unknown_column(name, event))
        tree = Node("column", event[name], value=name)
    else:
        if name in event:
            raise _clash("data.target", name, f"`{config.data.table}` has a column of that name")
        tree = _parsed("data.target", expression, event)
    return Target(name, expression), _target_of_task(config.task, tree)


def _target_of_task(task: Task, tree: Node) -> Node:
    allowed = ("integer", "float") if task == "regression" else ("boolean", "integer", "text")
    if tree.type in allowed:
        return tree
    if tree.type == "float" and tree.op == "column":
        return operation("to_integer", [tree])  # a null makes a float of a column of 0 and 1
    wants = "numbers" if task == "regression" else "classes (boolean, integer or text)"
    other = "binary or multiclass" if task == "regression" else "regression"
    raise UsageError(
        f"{CONFIG}: data.target is {tree.type}, and the task {task} predicts {wants}",
        hint=f"set `task: {other}`, or a target of another type",
    )


def _check_names(
    config: Config, event: Mapping[str, ValueType], joined: Mapping[str, ValueType]
) -> None:
    features, target = config.features, config.data.target_name
    named = (features.columns, features.row, features.join, features.aggregates, features.python)
    if not any(named):
        raise UsageError(
            f"{CONFIG}: `features` names none", hint="list columns under features.columns"
        )
    for i, name in enumerate(features.row):
        if _taken(name, event) or _taken(name, joined):
            raise _clash("features.row", name, "a table has a column of that name")
        if _taken(name, list(features.row)[:i]):
            raise _clash("features.row", name, "another row feature has it but for its case")
    for name in (*features.row, *joined):
        if _taken(name, [target]):
            raise _clash("features", name, "the target has that name")
        if name.startswith("__"):
            raise UsageError(f"{CONFIG}: features: `{name}`: names with __ are our own")
    if twice := _first_twice(features.columns):
        raise UsageError(f"{CONFIG}: features.columns names `{twice}` twice", hint="name it once")


def _check_ids(config: Config, event: Mapping[str, ValueType]) -> None:
    data = config.data
    for key, names in (
        ("id.subject", data.id.subject),
        ("id.event", data.id.event),
        ("sensitive", data.sensitive),
    ):
        _check_known(f"data.{key}", names, event)
    _check_known("split.key", config.split.key, event)
    weights = config.train.weights
    _check_known("train.weights", [weights] if weights is not None else [], event)
    if weights is not None and event[weights] not in ("integer", "float"):
        raise UsageError(
            f"{CONFIG}: train.weights names `{weights}`, which is {event[weights]} and no number"
        )


def _check_known(key: str, names: Iterable[str], event: Mapping[str, ValueType]) -> None:
    for name in names:
        if name not in event:
            raise _at(key, unknown_column(name, event))


def _check_no_id(config: Config, trees: Iterable[FeatureTree]) -> None:
    for tree in trees:
        for name in columns_of(tree.tree):
            if name == config.train.weights:
                raise UsageError(
                    f"{CONFIG}: the feature `{tree.name}` reads `{name}`, which train.weights "
                    "names: how much a row counts is not known of a request",
                    hint=f"take `{name}` out of the features, or out of train.weights",
                )
            if name in config.data.id.columns and name != config.data.time:
                raise UsageError(
                    f"{CONFIG}: the feature `{tree.name}` reads `{name}`, which data.id names: an "
                    "identity is no feature",
                    hint=f"take `{name}` out of the features, or out of data.id",
                )


def _trees(config: Config, known: Mapping[str, ValueType]) -> tuple[FeatureTree, ...]:
    features = config.features
    trees: dict[str, Node] = {}
    for name in features.columns:
        trees[name] = _plain("features.columns", name, known)
    for name, text in features.row.items():
        trees[name] = _row_feature(f"features.row.{name}", text, known)
    for i, join in enumerate(features.join):
        for name in join.columns:
            trees.setdefault(name, _plain(f"features.join.{i}.columns", name, known))
    for i, aggregate in enumerate(features.aggregates):
        key = f"features.aggregates.{i}"
        trees.setdefault(aggregate.name, _plain(key, aggregate.name, known))
    return tuple(FeatureTree(name, tree) for name, tree in trees.items())


def _plain(key: str, name: str, known: Mapping[str, ValueType]) -> Node:
    if name not in known:
        raise _at(key, unknown_column(name, known))
    if known[name] in ("date", "timestamp"):
        raise UsageError(
            f"{CONFIG}: {key}: `{name}` is a {known[name]}, which is no feature by itself",
            hint=_MOMENT_HINT.format(name),
        )
    return Node("column", known[name], value=name)


def _row_feature(key: str, text: str, known: Mapping[str, ValueType]) -> Node:
    if text.strip() in known:
        _plain(key, text.strip(), known)
    tree = _parsed(key, text, known)
    if tree.type in ("date", "timestamp"):
        raise UsageError(
            f"{CONFIG}: {key} is a {tree.type}, which is no feature by itself",
            hint=_WITHIN.format(text.strip()[:_SHOWN]),
        )
    return tree


def _parsed(key: str, text: str, known: Mapping[str, ValueType]) -> Node:
    try:
        return parse(text, known)
    except UsageError as e:
        raise _at(key, e) from e


def _check_leaks(config: Config, trees: Iterable[FeatureTree]) -> None:
    if config.data.target_expression is not None:
        return
    target = config.data.target_name
    for tree in trees:
        if target in columns_of(tree.tree):
            plain = tree.tree.op == "column" and tree.name in config.features.columns
            key = "features.columns" if plain else f"features.row.{tree.name}"
            if tree.tree.op == PYTHON:
                key = "features.python"
            raise UsageError(
                f"{CONFIG}: {key}: `{target}` is the target itself",
                hint="leave it out: it is not known when a prediction is made",
            )


def _inputs(trees: Iterable[FeatureTree], columns: Mapping[str, Input]) -> tuple[Input, ...]:
    names = dict.fromkeys(name for tree in trees for name in columns_of(tree.tree))
    read = [columns[name] for name in names]
    return tuple(sorted(read, key=lambda i: i.source != "event"))


def _lookups(
    config: Config, trees: Iterable[FeatureTree], columns: Mapping[str, Input]
) -> Iterator[Input]:
    """The inputs that no feature reads, by which others are looked up: keys and the moment."""
    read = {name for tree in trees for name in columns_of(tree.tree)}
    for name in lookup_columns(config):
        if name not in read:
            yield msgspec.structs.replace(columns[name], nullable=True)


def lookup_columns(config: Config) -> tuple[str, ...]:
    """The columns of events by which features are looked up online, the moment's last."""
    features = config.features
    if not features.looked_up:
        return ()
    keys = [name for join in features.join if join.source == "online" for name in join.on]
    keys += [name for a in features.aggregates if a.source == "online" for name in a.by]
    moment = [config.data.time] if config.data.time is not None else []
    return tuple(dict.fromkeys([*keys, *moment]))


def _columns(
    config: Config,
    schemas: Schemas,
    known: Mapping[str, ValueType],
    joined: Mapping[str, ValueType],
) -> dict[str, Input]:
    """Every column that a feature could read, as the input that it would be."""
    online = {n for j in config.features.join if j.source == "online" for n in j.columns}
    online |= {a.name for a in config.features.aggregates if a.source == "online"}
    nullable = _may_be_missing(config, schemas)
    forms = dict(schemas[config.data.table].forms)
    for join in config.features.join:
        forms |= {n: f for n, f in schemas[join.table].forms.items() if n in join.columns}
    return {
        name: Input(
            name=name,
            type=kind,
            nullable=name in joined or nullable.get(name, True),
            categories=None,
            source="online" if name in online else "join" if name in joined else "event",
            missing=forms[name].missing if name in forms else (),
            format=forms[name].format if name in forms else None,
        )
        for name, kind in known.items()
    }


def _may_be_missing(config: Config, schemas: Schemas) -> Mapping[str, bool]:
    """By the events' columns; all, where bad rows stay: a null or unreadable cell is missing."""
    if config.validate_.on_bad_rows == "warn":
        return {}
    return schemas[config.data.table].nullable


def _taken(name: str, names: Iterable[str]) -> bool:
    # SQL does not tell names apart that differ in their case only.
    return name.lower() in {other.lower() for other in names}


def _kind(of: ValueType) -> Literal["numeric", "category"]:
    return "category" if of == "text" else "numeric"


def _clash(key: str, name: str, why: str) -> UsageError:
    return UsageError(
        f"{CONFIG}: {key}: the name `{name}` is taken: {why}", hint="choose another name"
    )


def _at(key: str, e: UsageError) -> UsageError:
    return UsageError(f"{CONFIG}: {key}: {e.message}", hint=e.hint)


def _first_twice(names: tuple[str, ...]) -> str | None:
    return next((n for n in names if names.count(n) > 1), None)
