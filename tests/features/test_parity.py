"""DuckDB is the judge: every operation's closure and SQL give the same value."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extremes import ARROW, DATES, FLOATS, INTEGERS, TEXTS, TIMES
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import Node
from mlops_cli.features.operations import OPERATIONS
from mlops_cli.features.sql import render, render_feature

ROWS = 40
TRANSCENDENTAL = {"pow", "ln", "log2", "log10", "exp", "sqrt"}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.sampled_from(INTEGERS)
    | st.integers(-100, 3000)
    | st.integers(-(2**63), 2**63 - 1),
    "float": st.sampled_from(FLOATS) | st.floats(-1e6, 1e6) | st.floats(),
    "text": st.sampled_from(TEXTS)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8),
    "date": st.sampled_from(DATES) | st.dates(),
    "timestamp": st.sampled_from(TIMES) | st.datetimes(),
}
TYPES = tuple(VALUES)
PATTERNS = ["", "%", "a%", "%b", "_", "%_%", "A\\%_b", "%%a%", "e_", "[a]", "."]


@pytest.fixture(scope="module")
def judge():
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def signatures() -> list[Any]:
    """Every operation at every type that it takes; a repeated slot three times."""
    found = []
    for op, overloads in OPERATIONS.items():
        for o in overloads:
            args = o.slots(3) if o.repeats else o.args
            for free in TYPES if "any" in (*args, o.result) else TYPES[:1]:
                concrete = tuple(free if a == "any" else a for a in args)
                result = free if o.result == "any" else o.result
                found.append(pytest.param(op, concrete, result, id=f"{op}({','.join(concrete)})"))
    for free in TYPES:
        found.append(pytest.param("case", ("boolean", free, free), free, id=f"case({free})"))
    return found


def node_of(op, types, result, data) -> Node:
    columns = [Node("column", t, value=f"x{i}") for i, t in enumerate(types)]
    if op == "like":
        columns[1] = Node("literal", "text", value=data.draw(st.sampled_from(PATTERNS)))
    if op == "round_to":
        columns[1] = Node("literal", "integer", value=data.draw(st.integers(-15, 15)))
    return Node(op, result, tuple(columns))


def table_of(types, data) -> pa.Table:
    columns = {}
    for i, t in enumerate(types):
        cells = data.draw(st.lists(st.none() | VALUES[t], min_size=ROWS, max_size=ROWS))
        columns[f"x{i}"] = pa.array(cells, ARROW[t])
    return pa.table(columns)


def same(got: Any, want: Any, op: str) -> bool:
    if got is None or want is None:
        return got is want
    if type(got) is not type(want):
        return False
    if isinstance(want, float):
        if math.isnan(want) or math.isnan(got):
            return math.isnan(want) and math.isnan(got)
        if op in TRANSCENDENTAL:
            return bool(abs(got - want) <= np.spacing(abs(want))) or got == want
    return bool(got == want)


@pytest.mark.parametrize(("op", "types", "result"), signatures())
@settings(deadline=None, max_examples=4, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_closure_gives_what_duckdb_gives(judge, op, types, result, data):
    hold_to_duckdb(judge, op, types, result, data)


@pytest.mark.slow
@pytest.mark.parametrize(("op", "types", "result"), signatures())
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_closure_gives_what_duckdb_gives_at_length(judge, op, types, result, data):
    hold_to_duckdb(judge, op, types, result, data)


def hold_to_duckdb(judge, op, types, result, data):
    node, table = node_of(op, types, result, data), table_of(types, data)
    sql = f"select {render(node)} as y, typeof({render(node)}) as t from table_"
    want = _run(judge, sql, table)
    compute = compile_tree(node)
    for row, (y, kind) in zip(table.to_pylist(), want, strict=True):
        assert same(compute(row), y, op), (node.op, row, compute(row), y)
        assert kind == {"integer": "BIGINT", "float": "DOUBLE", "text": "VARCHAR"}.get(
            result, result.upper()
        )


def _run(judge, sql, table):
    judge.register("table_", table)
    try:
        return judge.execute(sql).fetchall()
    finally:
        judge.unregister("table_")


@settings(deadline=None, max_examples=100)
@given(values=st.lists(st.none() | VALUES["float"], min_size=1, max_size=50))
def test_features_are_bit_equal_in_float32(judge, values):
    node = Node("column", "float", value="x")
    got = _run(
        judge,
        f"select {render_feature(node)} from table_",
        pa.table({"x": pa.array(values, pa.float64())}),
    )
    with np.errstate(over="ignore"):
        want = np.array([math.nan if v is None else v for v in values]).astype(np.float32)
    narrow = np.array([math.nan if g is None else g for (g,) in got], np.float32)
    want[~np.isfinite(want)] = np.nan
    narrow[~np.isfinite(narrow)] = np.nan
    np.testing.assert_array_equal(narrow, want)


def test_case_mapping_trim_and_length_of_every_character(judge):
    points = [i for i in range(1, 0x110000) if not 0xD800 <= i < 0xE000]
    table = pa.table({"x0": [chr(i) for i in points]})
    column = Node("column", "text", value="x0")
    for op in ("lower", "upper", "trim", "ltrim", "rtrim"):
        node = Node(op, "text", (column,))
        compute = compile_tree(node)
        want = _run(judge, f"select x0, {render(node)} from table_", table)
        assert [hex(ord(x)) for x, y in want if compute({"x0": x}) != y] == [], op
