"""Why joined values may be missing from a scored table: how old the joined table is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlops_cli.config.project import Project
from mlops_cli.config.sections.features import JoinConfig
from mlops_cli.features.base import Schemas, in_form
from mlops_cli.features.layout import join_types
from mlops_cli.scoring.census import ColumnCensus
from mlops_cli.tables.base import Engine, quote


def explained(
    engine: Engine, project: Project, schemas: Schemas, columns: Iterable[ColumnCensus]
) -> tuple[ColumnCensus, ...]:
    """The columns; beside an unusual one that a join makes, the table that it comes from."""
    joins = {name: join for join in project.config.features.join for name in join.columns}
    return tuple(
        replace(c, why=_origin(engine, project, schemas, joins[c.name]))
        if c.unusual and not c.why and c.name in joins
        else c
        for c in columns
    )


def _origin(engine: Engine, project: Project, schemas: Schemas, join: JoinConfig) -> str:
    if join.asof is None:
        return f"joined from {join.table} on {', '.join(join.on)}"
    types = {join.asof: join_types(schemas, join)[join.asof]}
    forms = in_form(types, schemas[join.table].forms)
    relation = engine.typed(project.root / join.table, forms)
    newest = engine.rows(f"select max({quote(join.asof)}) from {relation}")[0][0]
    return f"joined from {join.table}, whose newest row is of {newest}"
