"""Nested expressions: the server's closures give what DuckDB gives, to the bit."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from extremes import ARROW
from fuzzed_expressions import COLUMNS, expressions, nodes, rows
from mlops_cli.bundle.manifest import Feature, Input, Manifest, Target
from mlops_cli.errors import UsageError
from mlops_cli.expressions.compile import compile_tree
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees, Node, columns_of
from mlops_cli.features.events import Events, Rejected, events_sql
from mlops_cli.features.expressions import parse
from mlops_cli.features.operations import OPERATIONS
from mlops_cli.features.sql import render
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.tables.base import ROW
from mlops_cli.tables.duckdb import DuckDB
from mlops_cli.tables.matrix import encode, frozen_categories

PHASES = (Phase.generate, Phase.shrink)
CALM = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES)
seen: Counter[str] = Counter()


@pytest.fixture(scope="module")
def judge() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set global TimeZone = 'UTC'")
        yield connection


def table_of(count: int, seed: int) -> pa.Table:
    # As a table is read: the empty text is a missing value.
    return pa.table(
        {
            n: pa.array([None if cell == "" else cell for cell in cells], ARROW[COLUMNS[n]])
            for n, cells in rows(count, seed).items()
        }
        | {ROW: pa.array(range(count), pa.int64())}
    )


REFUSED = ("longer than", "deeper than", "larger than", "is not an ISO 8601")


def parsed(text: str) -> Node | None:
    """The tree; None where the text is too much, or casts a literal that is plainly no date."""
    try:
        return parse(text, COLUMNS)
    except UsageError as e:
        if any(reason in e.message for reason in REFUSED):
            return None
        raise


def hold(judge: duckdb.DuckDBPyConnection, text: str, count: int, seed: int) -> None:
    """Hold one expression to DuckDB: its values, and the feature that the model would see."""
    tree = parsed(text)
    if tree is None:
        return
    table = table_of(count, seed)
    judge.register("table_", table)
    _hold_values(judge, tree, table)
    if tree.type not in ("date", "timestamp"):
        _hold_features(judge, tree, table)
    judge.unregister("table_")
    seen.update({n.op for n in nodes(tree)})
    seen["rows"] += count


def _hold_values(judge: duckdb.DuckDBPyConnection, tree: Node, table: pa.Table) -> None:
    want = judge.execute(f"select {render(tree)} from table_").fetchall()
    compute = compile_tree(tree)
    for row, (value,) in zip(table.to_pylist(), want, strict=True):
        got = compute(row)
        if not _same(got, value):
            used = {name: row[name] for name in columns_of(tree)}
            raise AssertionError(f"{used}: the server {got!r}, DuckDB {value!r}\n{render(tree)}")


def _same(got: Any, want: Any) -> bool:
    if type(got) is not type(want):
        return False
    if isinstance(want, float):
        return got == want or (math.isnan(got) and math.isnan(want))
    return bool(got == want)


def _hold_features(judge: duckdb.DuckDBPyConnection, tree: Node, table: pa.Table) -> None:
    """As featurize and training do it, and as the server does; a NaN in a table is a null."""
    names = tuple(columns_of(tree))
    feature = FeatureTree("the feature", tree)
    events = Events({n: COLUMNS[n] for n in names}, None, (), names, (feature,))
    made = judge.sql(
        f"{events_sql(DuckDB(judge), events, 'table_', Rejected(None))} order by {ROW}"
    ).to_arrow_table()
    kind = "category" if tree.type == "text" else "numeric"
    frozen = frozen_categories(made, [feature.name])[feature.name] if kind == "category" else None
    known = Feature(feature.name, kind, frozen[::2] if frozen is not None else None)
    inputs = tuple(Input(n, COLUMNS[n], True, None, "event") for n in names)
    manifest = Manifest(
        *("1.0", "p", "regression", Target("y"), None, "xgboost", inputs, (known,)),
        *("3.11", {}, {}),
    )
    server = RowEncoder(manifest, FeatureTrees((feature,)))
    requests = [{n: _sent(v) for n, v in row.items()} for row in made.select(names).to_pylist()]
    by_row = server.matrix([server.row(request) for request in requests])
    np.testing.assert_array_equal(server.encode(requests), encode(made, [known]), render(tree))
    np.testing.assert_array_equal(by_row, encode(made, [known]), render(tree))


def _sent(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


CASES = st.tuples(expressions(), st.integers(0, 2**32))


@settings(CALM, max_examples=250)
@given(CASES)
def test_a_nested_expression_is_the_same_number_in_training_and_behind_http(judge, case):
    hold(judge, case[0], 60, case[1])


@pytest.mark.slow
def test_a_million_rows_of_nested_expressions(judge):
    @settings(CALM, max_examples=4000)
    @given(CASES)
    def fuzz(case):
        hold(judge, case[0], 350, case[1])

    seen.clear()
    fuzz()
    assert seen["rows"] >= 1_000_000
    assert [op for op in (*OPERATIONS, "case") if seen[op] < 5] == []


TOKENS = re.findall(
    "[^ \n]+",
    """
( ) , . * / // % ^ ** + - = == <> != < <= > >= || :: : ; ? $1 @ # [ ] { } -> & | ~ ! " ' `
and or not is null true between in like ilike case when then else end cast as extract if
from select over order by exists interval distinct filter within lambda array map values
date timestamp bigint double varchar decimal date_part date_diff make_date f0 i0 "a" text b0 x.y
1 0 1e5 1e999 .5 5. 0x1F 1_000 99999999999999999999 1e-400 'a' '' '2013-01-01' 'day' $$a$$ -- /* */
\x00 \ud7ff \u2028 \u00a0 é ٣ ² e'\\n'
""",
)


def read(text: str) -> None:
    """Whatever the text is: a tree that both sides can compute, or a refusal that can be read."""
    try:
        tree = parse(text, COLUMNS)
    except UsageError as e:
        reason = e.message
        assert 0 < len(reason) < 500
    else:
        compile_tree(tree)
        assert render(tree)


@settings(CALM, max_examples=400)
@given(st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join) | st.text(max_size=40))
def test_any_text_is_an_expression_or_refused_with_a_reason(text):
    read(text)


@pytest.mark.slow
@settings(CALM, max_examples=6_000)
@given(st.lists(st.sampled_from(TOKENS) | expressions(3), max_size=16).map(" ".join))
def test_any_text_is_an_expression_or_refused_with_a_reason_at_length(text):
    read(text)
