"""Rows of the data that a project keeps in git: a request, and rows whose features are known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.expressions import FeatureTree, Node, ValueType
from mlops_cli.config.load import Project, load_project
from mlops_cli.config.model import contract_of
from mlops_cli.contracts.model import load_contract
from mlops_cli.errors import UsageError
from mlops_cli.scaffold.files import write_json
from mlops_cli.tables.base import ROW, Engine, quote

ROWS = 5
REQUEST = "examples/request.json"
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
    closures = load_adapter("mlops_cli.serving.closures")
    trees = _trees(project)
    inputs = {n: t for tree in trees for n, t in _columns(tree.tree)}
    computed = [(tree.name, closures.compile_tree(tree.tree)) for tree in trees]
    values = [_typed(row, inputs, i) for i, row in enumerate(rows)]
    return [{name: _cell(compute(row)) for name, compute in computed} for row in values]


def _rows(engine: Engine, project: Project, target_sql: str) -> list[dict[str, Cell]]:
    data = project.config.data
    contract = load_contract(project.root / project.config.contract)
    names = dict.fromkeys(n for tree in _trees(project) for n, _ in _columns(tree.tree))
    cells = ", ".join(quote(name) for name in names)
    gaps = " + ".join(f"({quote(name)} is null)::int" for name in names)
    found = engine.rows(
        f"select {cells} from {engine.typed(project.root / data.table, contract.types)} "
        f"where {target_sql} is not null order by {gaps}, {ROW} limit {ROWS}"
    )
    return [{n: _cell(v) for n, v in zip(names, row, strict=True)} for row in found]


def _trees(project: Project) -> list[FeatureTree]:
    config = project.config
    types: dict[str, ValueType] = dict(load_contract(project.root / config.contract).types)
    for join in config.features.join:
        joined = load_contract(project.root / contract_of(join.table)).types
        types |= {name: joined[name] for name in join.columns if name in joined}
    plain = [*config.features.columns, *(n for j in config.features.join for n in j.columns)]
    for name in plain:
        if name not in types:
            raise UsageError(f"mlops.yaml: no contract knows the feature {name!r}")
    parse = load_adapter("mlops_cli.features.expressions").parse
    trees = [FeatureTree(n, Node("column", types[n], value=n)) for n in plain]
    return trees + [FeatureTree(n, parse(text, types)) for n, text in config.features.row.items()]


def _columns(node: Node) -> Iterable[tuple[str, ValueType]]:
    if node.op == "column":
        yield str(node.value), node.type
    for arg in node.args:
        yield from _columns(arg)


def _typed(row: Mapping[str, Any], inputs: Mapping[str, ValueType], number: int) -> dict[str, Any]:
    values = load_adapter("mlops_cli.serving.values")
    typed: dict[str, Any] = {}
    for name, kind in inputs.items():
        value = row.get(name)
        exact, convert = values.CONVERTERS[kind]
        try:
            typed[name] = value if value is None or type(value) is exact else convert(value)
        except values.Refused as e:
            raise UsageError(f"row {number}, {name}: {e}") from e
    return typed


def _cell(value: Any) -> Cell:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else value
