"""Rows of the data that a project keeps in git: a request, and rows whose features are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlops_cli.bundle.manifest import Input
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import REQUEST
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import columns_of
from mlops_cli.expressions.values import Refused, converter
from mlops_cli.features.base import Layout, load_schemas
from mlops_cli.features.layout import check_features
from mlops_cli.features.rules import broken_by, input_rules
from mlops_cli.scaffold.files import write_json
from mlops_cli.tables.base import ROW, Engine, quote
from mlops_cli.tables.recombine import groups_of, recombine

ROWS = 5
_AMONG = 50  # rows of the data whose values these are made of
EXAMPLES = "tests/examples.json"
Cell = bool | int | float | str | None


def write_examples(engine: Engine, root: Path, target_sql: str) -> list[str]:
    """Write a request and a few rows with their features; the paths, relative to `root`.

    They are made of rows that have most of their values, so that something is tested, and none is
    one of them: each value is from another row.
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
    return check_features(project.config, schemas, project.root)


def _rows(engine: Engine, project: Project, target_sql: str) -> list[dict[str, Cell]]:
    layout, schemas = _layout(project), load_schemas(project)
    names = [i.name for i in layout.inputs]
    cells = ", ".join(quote(name) for name in names)
    # A list, since a sum of thousands of terms is deeper than an expression may be.
    gaps = f"list_sum([{', '.join(f'({quote(name)} is null)::int' for name in names)}])"
    path = project.root / project.config.data.table
    found = engine.arrow(
        f"select {cells} from {engine.typed(path, layout.forms)} "
        f"where {target_sql} is not null order by {gaps}, {ROW} limit {_AMONG}"
    )
    rules = input_rules(project, schemas, layout.inputs)
    ties = [*(columns_of(t.tree) for t in layout.trees), *(rule.columns for rule in rules)]
    with TemporaryDirectory() as folder:
        made = recombine(
            found,
            groups_of(names, [tuple(tie) for tie in ties], project.config.data.sensitive),
            spread=range(found.num_rows),
            broken=broken_by(engine, rules, Path(folder)),
        ).to_pylist()
    made.sort(key=lambda row: sum(value is None for value in row.values()))
    return [{n: _cell(v) for n, v in row.items()} for row in made[:ROWS]]


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
