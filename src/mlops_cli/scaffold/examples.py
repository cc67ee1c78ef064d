"""Rows of the data that a project keeps in git: a request, and rows whose features are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from mlops_cli.bundle.manifest import Input
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import REQUEST
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.values import Refused, converter
from mlops_cli.features.base import Layout, load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.scaffold.files import write_json
from mlops_cli.tables.base import ROW, Engine, quote

ROWS = 5
EXAMPLES = "tests/examples.json"
Cell = bool | int | float | str | None


def write_examples(engine: Engine, root: Path, target_sql: str) -> list[str]:
    """Write a request and a few rows with their features; the paths, relative to `root`.

    The rows are the first of those that have most of their values, so that something is tested.
    """
    project = load_project(root)
    rows = _rows(engine, project, target_sql)
    write_json(root / REQUEST, rows[0])
    write_json(root / EXAMPLES, {"rows": rows, "features": feature_values(project, rows)})
    return [REQUEST, EXAMPLES]


def feature_values(project: Project, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Cell]]:
    """The features of raw rows (JSON values by name), computed as the server computes them.

    A key that is missing is null. Raises `UsageError` for a feature that the configuration or a
    contract does not allow, and for a value that is not of its column's type.
    """
    layout = _layout(project)
    computed = [(tree.name, compile_tree(tree.tree)) for tree in layout.trees]
    values = [_typed(row, layout.inputs, i) for i, row in enumerate(rows)]
    return [{name: _cell(compute(row)) for name, compute in computed} for row in values]


def _layout(project: Project) -> Layout:
    schemas = load_schemas(project)
    return check_features(project.config, schemas)


def _rows(engine: Engine, project: Project, target_sql: str) -> list[dict[str, Cell]]:
    layout, path = _layout(project), project.root / project.config.data.table
    names = [i.name for i in layout.inputs]
    cells = ", ".join(quote(name) for name in names)
    # A list, since a sum of thousands of terms is deeper than an expression may be.
    gaps = f"list_sum([{', '.join(f'({quote(name)} is null)::int' for name in names)}])"
    found = engine.rows(
        f"select {cells} from {engine.typed(path, layout.forms)} "
        f"where {target_sql} is not null order by {gaps}, {ROW} limit {ROWS}"
    )
    return [{n: _cell(v) for n, v in zip(names, row, strict=True)} for row in found]


def _typed(row: Mapping[str, Any], inputs: Sequence[Input], number: int) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for i in inputs:
        value = row.get(i.name)
        exact, convert = converter(i.type, i.missing, i.format)
        try:
            typed[i.name] = value if value is None or type(value) is exact else convert(value)
        except Refused as e:
            raise UsageError(f"row {number}, {i.name}: {e}") from e
    return typed


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else value
