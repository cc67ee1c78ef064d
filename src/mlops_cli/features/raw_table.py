"""A raw table of any time to a model's inputs and features, as the bundle's manifest has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import JoinConfig
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import FeatureTree, ValueType
from mlops_cli.features.base import AggregateSource, JoinSource, Layout, Schemas, in_form
from mlops_cli.features.events import Events, events_sql
from mlops_cli.features.layout import event_types, join_types
from mlops_cli.features.table import aggregate_sources, rejected_rows
from mlops_cli.tables.base import ROW, SOURCE, ColumnForm, Engine, in_groups, is_nan, quote

_SHOWN = 80
_GROUP = 64  # columns of one scan


def raw_table_sql(
    engine: Engine, project: Project, schemas: Schemas, bundle: Bundle, path: Path
) -> str:
    """A query over the raw table at `path`, a row for each of its rows, in no promised order.

    Its columns: `__row__`, every input of the manifest in its type, every row feature (FLOAT, or
    VARCHAR for text). The table needs no target. Joined columns that it lacks are made by the
    join of `mlops.yaml` from the project's tables; a value that cannot be cast is null (see
    `check_values`). Raises `DataError` naming a column that is lacking and cannot be made.
    """
    wanted = _Wanted(bundle.manifest.inputs, bundle.trees().features)
    return _sql(engine, project, schemas, wanted, path)


def training_sql(
    engine: Engine, project: Project, schemas: Schemas, layout: Layout, path: Path
) -> str:
    """As `raw_table_sql`, with the inputs and features that `mlops.yaml` asks for: featurize's."""
    return _sql(engine, project, schemas, _Wanted(layout.inputs, layout.trees), path)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a query is to give of each row."""

    inputs: Sequence[Input]
    trees: Sequence[FeatureTree]


def _sql(engine: Engine, project: Project, schemas: Schemas, wanted: _Wanted, path: Path) -> str:
    present = raw_names(engine, path)
    aggregates = _needed_aggregates(project, schemas, wanted.inputs, present)
    made = [source.config.name for source in aggregates]
    joins = _needed_joins(project, schemas, wanted.inputs, path, [*present, *made])
    own = {i.name: i for i in wanted.inputs if i.name in present}
    columns = _join_columns(project, schemas, joins, aggregates)
    columns |= {n: i.type for n, i in own.items()}
    forms = in_form(columns, schemas[project.config.data.table].forms)
    forms |= {name: input_form(i) for name, i in own.items()}
    if lacking := [name for name in columns if name not in present]:
        raise _lacks(path, lacking[0], "the join of `features.join` needs it")
    asof = any(join.config.asof is not None for join in joins) or bool(aggregates)
    events = Events(
        columns=columns,
        time=project.config.data.time if asof else None,
        joins=joins,
        aggregates=aggregates,
        inputs=tuple(i.name for i in wanted.inputs),
        rows=tuple(t for t in wanted.trees if not _is_plain(t)),
    )
    return events_sql(engine, events, engine.typed(path, forms), rejected_rows(project))


def input_form(i: Input) -> ColumnForm:
    """How a file may write the values of an input."""
    return ColumnForm(i.type, i.missing, i.format)


def _source(schemas: Schemas, path: Path, join: JoinConfig) -> JoinSource:
    return JoinSource(path, join_types(schemas, join), join, schemas[join.table].forms)


def raw_names(engine: Engine, path: Path) -> list[str]:
    """The names of a raw table's columns, in its order."""
    described = engine.rows(f"describe select * from {engine.raw(path)}")
    return [row[0] for row in described if row[0] != ROW]


def check_values(engine: Engine, path: Path, inputs: Sequence[Input]) -> None:
    """Hold the values of those inputs that the table has to their types, in a scan a group.

    Raises `DataError` naming column, row (from 0) and value of the first that cannot be cast, or
    is null where the input may not be: the server would refuse the same row.
    """
    names = set(raw_names(engine, path))
    held = [i for i in inputs if i.name in names]
    scans = [_first_bad_rows(engine, path, g) for g in in_groups(held, _GROUP)]
    firsts = (row for (found,) in engine.rows_of_each(scans) for row in found)
    bad = [(row, n) for n, row in enumerate(firsts) if row is not None]
    if not bad:
        return
    row, n = min(bad)
    relation = engine.typed_with_source(path, {held[n].name: input_form(held[n])})
    source = quote(SOURCE + held[n].name)
    (value,) = engine.rows(f"select {source} from {relation} where {ROW} = {int(row)}")[0]
    raise _bad_value(path, held[n], int(row), value)


def _first_bad_rows(engine: Engine, path: Path, inputs: Sequence[Input]) -> str:
    relation = engine.typed_with_source(path, {i.name: input_form(i) for i in inputs})
    firsts = ", ".join(f"min(case when {_is_bad(i)} then {ROW} end)" for i in inputs)
    return f"select {firsts} from {relation}"


def _is_bad(i: Input) -> str:
    value, source = quote(i.name), quote(SOURCE + i.name)
    missing = f"{value} is null or {is_nan(value)}" if i.type == "float" else f"{value} is null"
    return f"{value} is null and {source} is not null" if i.nullable else missing


def _bad_value(path: Path, i: Input, row: int, value: object) -> DataError:
    where = f"{path.name}: row {row} (the first is 0), column `{i.name}`"
    if value is None or value != value:
        return DataError(
            f"{where}: null, and the model's input may not be null",
            hint="fill it in, or leave the row out",
        )
    return DataError(
        f"{where}: {repr(value)[:_SHOWN]} is no {i.type}",
        hint="fix the value, or leave it empty" if i.nullable else "fix the value",
    )


def _needed_joins(
    project: Project,
    schemas: Schemas,
    inputs: Sequence[Input],
    file: Path,
    present: Sequence[str],
) -> tuple[JoinSource, ...]:
    lacking = [i for i in inputs if i.name not in present]
    made: set[str] = set()
    sources = []
    for join in project.config.features.join:
        columns = tuple(i.name for i in lacking if i.source != "event" and i.name in join.columns)
        if columns:
            made.update(columns)
            narrow = join.model_copy(update={"columns": columns})
            path = project.root / join.table
            sources.append(_source(schemas, path, narrow))
    for i in lacking:
        if i.name not in made:
            why = "no join of mlops.yaml makes it" if i.source != "event" else "the model needs it"
            raise _lacks(file, i.name, why)
    return tuple(sources)


def _needed_aggregates(
    project: Project, schemas: Schemas, inputs: Sequence[Input], present: Sequence[str]
) -> tuple[AggregateSource, ...]:
    lacking = {i.name for i in inputs if i.source != "event" and i.name not in present}
    sources = aggregate_sources(project, schemas)
    return tuple(source for source in sources if source.config.name in lacking)


def _join_columns(
    project: Project,
    schemas: Schemas,
    joins: Sequence[JoinSource],
    aggregates: Sequence[AggregateSource],
) -> dict[str, ValueType]:
    if not joins and not aggregates:
        return {}
    data = project.config.data
    types = event_types(schemas[data.table], data.time)
    names = [name for join in joins for name in join.config.on]
    names += [name for aggregate in aggregates for name in aggregate.config.by]
    asof = any(join.config.asof is not None for join in joins)
    if data.time is not None and (asof or aggregates):
        names.append(data.time)
    return {name: types[name] for name in names}


def _is_plain(tree: FeatureTree) -> bool:
    return tree.tree.op == "column" and tree.tree.value == tree.name


def _lacks(path: Path, name: str, why: str) -> DataError:
    return DataError(
        f"{path.name} has no column `{name}`, and {why}",
        hint=f"add the column `{name}` (its values may be empty where the contract allows it)",
    )
