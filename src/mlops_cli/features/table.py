"""The table of features: one Parquet file, ordered by time and source row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli.bundle.manifest import ClassLabel
from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.bundle.plan import TARGET, TIME, FeaturePlan
from mlops_cli.config.model import Config
from mlops_cli.config.paths import REJECTED
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import Node, columns_of
from mlops_cli.features.aggregates import parse_aggregate
from mlops_cli.features.base import AggregateSource, JoinSource, Layout, Schemas
from mlops_cli.features.events import Events, Rejected, events_sql
from mlops_cli.features.layout import aggregate_types, join_types
from mlops_cli.features.online import Source, online_plan, online_sources
from mlops_cli.features.rules import input_rules
from mlops_cli.features.sql import render
from mlops_cli.tables.base import ROW, Engine, literal, quote

_MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Written:
    """The table of features, and of the raw table's rows: written, without a target, rejected."""

    table: Path
    rows: int
    without_target: int
    quarantined: int


def write_features(
    engine: Engine, project: Project, layout: Layout, schemas: Schemas, destination: Path
) -> FeaturePlan:
    """Write the rows that have a target, and are not rejected, to `destination`.

    Ordered by (time, source row), so two runs give the same bytes. Raises `DataError` where no
    row is left, or the target's values do not fit the task.
    """
    config = project.config
    rejected = rejected_for(project, schemas)
    events = _with_own(config, events_of(project, layout, schemas), layout)
    table = project.root / config.data.table
    kept = rejected.without(engine, config.data.table, _typed(engine, table, layout, events))
    check_whole(engine, layout, kept)
    recent = _recent(config, kept)
    present = has_target(layout.target_tree)
    order = f"{TIME}, {ROW}" if events.time is not None else ROW
    made = events_sql(engine, events, recent, rejected)
    rows = engine.write_parquet(
        f"select * from ({made}) where {present} order by {order}", destination
    )
    total, left, used = _count(engine, table, kept, recent)
    written = Written(destination, rows, without_target=used - rows, quarantined=total - left)
    return plan_of(engine, project, layout, schemas, written)


def plan_of(
    engine: Engine, project: Project, layout: Layout, schemas: Schemas, written: Written
) -> FeaturePlan:
    """The plan of the table that was written; raises `DataError` as `write_features` does."""
    config = project.config
    _check_rows(config, written)
    return FeaturePlan(
        inputs=layout.inputs,
        features=layout.features,
        trees=layout.trees,
        target=layout.target,
        classes=_classes(engine, config, written.table),
        rows=written.rows,
        without_target=written.without_target,
        quarantined=written.quarantined,
        rules=input_rules(project, schemas, layout.inputs),
        online=_online(project, schemas),
    )


def _online(project: Project, schemas: Schemas) -> OnlinePlan | None:
    return online_plan(
        project.config, online_of(project, schemas), schemas[project.config.data.table]
    )


def online_of(project: Project, schemas: Schemas) -> tuple[Source, ...]:
    """The features of `mlops.yaml` that a server looks up, with their tables."""
    joins, aggregates = join_sources(project, schemas), aggregate_sources(project, schemas)
    return online_sources(joins, aggregates)


def rejected_for(project: Project, schemas: Schemas) -> Rejected:
    """As `rejected_rows`; raises `DataError` where rows without consent would not be told."""
    rejected = rejected_rows(project)
    if rejected.path is None and any(schema.consent for schema in schemas.values()):
        raise DataError(
            f"{REJECTED} is missing, which has the rows without consent", hint="mlops validate"
        )
    return rejected


def rejected_rows(project: Project) -> Rejected:
    """What validation rejected of the project's tables; nothing where it has not run."""
    path = project.root / REJECTED
    return Rejected(path if path.is_file() else None)


def join_sources(project: Project, schemas: Schemas) -> tuple[JoinSource, ...]:
    """The joined tables of `mlops.yaml`."""
    return tuple(
        JoinSource(
            project.root / join.table, join_types(schemas, join), join, schemas[join.table].forms
        )
        for join in project.config.features.join
    )


def aggregate_sources(project: Project, schemas: Schemas) -> tuple[AggregateSource, ...]:
    """The tables that `mlops.yaml` aggregates, one for each aggregate."""
    config = project.config
    return tuple(
        AggregateSource(
            project.root / a.table,
            aggregate_types(schemas, a, config.data.time),
            a.asof or config.data.time or "",
            a,
            schemas[a.table].forms,
        )
        for a in config.features.aggregates
    )


def _typed(engine: Engine, table: Path, layout: Layout, events: Events) -> str:
    return engine.typed(table, {name: layout.forms[name] for name in events.columns})


def events_of(project: Project, layout: Layout, schemas: Schemas) -> Events:
    """What to make of the project's events."""
    config = project.config
    time = config.data.time
    joins = join_sources(project, schemas)
    names = dict.fromkeys(
        [
            *(i.name for i in layout.inputs if i.source == "event"),
            *columns_of(layout.target_tree),
            *(name for join in joins for name in join.config.on),
            *(name for aggregate in config.features.aggregates for name in aggregate.by),
            *([time] if time is not None else []),
            *kept_columns(config),
            *config.data.sensitive,
            *([config.train.weights] if config.train.weights is not None else []),
        ]
    )
    inputs = tuple(i.name for i in layout.inputs)
    return Events(
        columns={name: layout.event[name] for name in names},
        time=time,
        joins=joins,
        aggregates=aggregate_sources(project, schemas),
        inputs=inputs,
        rows=tuple(t for t in layout.trees if t.name in layout.rows),
        target=layout.target_tree,
        ids=kept_columns(config),
        sensitive=tuple(name for name in config.data.sensitive if name not in inputs),
        weights=config.train.weights,
    )


def _with_own(config: Config, events: Events, layout: Layout) -> Events:
    """The events with what aggregates of them read, unless `data.window` hides some from them."""
    if config.data.window is not None:
        return events
    whole = replace(events, own=config.data.table)
    names = dict.fromkeys(
        name
        for source in events.aggregates
        if whole.among(source)
        for name in parse_aggregate(source.config.expr, source.types).columns
    )
    return replace(whole, columns={**events.columns, **{n: layout.event[n] for n in names}})


def kept_columns(config: Config) -> tuple[str, ...]:
    """The columns that name rows, and groups of them: kept as `__id__NAME`, never a feature."""
    return tuple(dict.fromkeys((*config.data.id.columns, *config.split.key)))


def has_target(tree: Node) -> str:
    """SQL: there is one; an infinite one is no number to learn from.

    NaN is null already, but for expressions.
    """
    return f"isfinite({TARGET})" if tree.type == "float" else f"{TARGET} is not null"


def check_whole(engine: Engine, layout: Layout, relation: str) -> None:
    """Raise `DataError` where classes are numbers, and one is no whole one."""
    tree = layout.target_tree
    if layout.target.expression is not None or tree.op != "to_integer":
        return
    source = render(tree.args[0])
    found = engine.rows(
        f"select {source} from {relation} where {source} <> trunc({source}) limit 1"
    )
    if found and found[0][0] == found[0][0]:
        raise DataError(
            f"the target {layout.target.name!r} holds {found[0][0]}, which is not a class label",
            hint="set `task: regression` in mlops.yaml, or make classes of it: "
            f'target: "high = {layout.target.name} > 0"',
        )


def _recent(config: Config, relation: str) -> str:
    """The rows that `data.window` leaves: so long before the newest of them, which is left, too."""
    if config.data.window is None or config.data.time is None:
        return relation
    time, seconds = quote(config.data.time), int(config.data.window.total_seconds())
    newest = f"(select max({time}) from {relation})"
    return f"(select * from {relation} where {time} >= {newest} - to_seconds({seconds}))"


def _count(engine: Engine, table: Path, kept: str, recent: str) -> tuple[int, int, int]:
    (total,) = engine.rows(f"select count(*) from {engine.raw(table)}")[0]
    (left,) = engine.rows(f"select count(*) from {kept}")[0]
    used = left if recent == kept else engine.rows(f"select count(*) from {recent}")[0][0]
    return total, left, used


def _check_rows(config: Config, counts: Written) -> None:
    if counts.rows == 0:
        raise DataError(
            f"{config.data.table} leaves no row to learn from: {counts.quarantined} are "
            f"rejected, {counts.without_target} have no target",
            hint=f"check data.target in mlops.yaml, and {REJECTED}",
        )


def _classes(engine: Engine, config: Config, table: Path) -> tuple[ClassLabel, ...] | None:
    if config.task == "regression":
        return None
    source = f"read_parquet({literal(str(table))})"
    found = engine.rows(f"select distinct {TARGET} from {source} limit {_MOST_CLASSES + 1}")
    classes = sorted(row[0] for row in found)
    _check_classes(config, classes)
    return tuple(classes)


def _check_classes(config: Config, classes: list[ClassLabel]) -> None:
    target = config.data.target_name
    shown = ", ".join(repr(c) for c in classes[:5]) + (", ..." if len(classes) > 5 else "")
    if len(classes) == 1:
        raise DataError(
            f"{config.data.table}: the target {target!r} is {shown} in every row that is left: "
            "there is nothing to tell apart",
            hint="check data.target in mlops.yaml, and data/rejected.parquet",
        )
    if config.task == "binary" and len(classes) != 2:
        raise DataError(
            f"the task is binary, and the target {target!r} has {len(classes)} classes: {shown}",
            hint="set `task: multiclass` in mlops.yaml, or a target such as "
            f'"is_it = {target} = {_as_sql(classes[0])}"',
        )
    if len(classes) > _MOST_CLASSES:
        raise DataError(
            f"the target {target!r} has more than {_MOST_CLASSES} classes",
            hint="set `task: regression` in mlops.yaml, or a target with fewer classes",
        )


def _as_sql(label: ClassLabel) -> str:
    return literal(label) if isinstance(label, str) else str(label).lower()
