"""Golden rows: every category, null, unseen value and extreme occurs, in JSON's terms."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

import msgspec
import numpy as np
import pyarrow as pa

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.plan import InputRule
from mlops_cli.bundle.reader import GoldenRow
from mlops_cli.training.golden import ROWS, UNSEEN, Ties, golden_inputs, golden_lines

INPUTS = (
    Input("x", "float", True, None, "event"),
    Input("k", "integer", False, None, "event"),
    Input("kind", "text", True, None, "event"),
    Input("on", "date", True, None, "event"),
    Input("at", "timestamp", True, None, "event"),
    Input("open", "boolean", True, None, "event"),
)


def table(n):
    rng = np.random.default_rng(0)
    kinds = [f"kind {i}" for i in range(60)]
    return pa.table(
        {
            "x": [None, float("nan"), float("inf"), -7e30, *rng.normal(size=n - 4)],
            "k": pa.array(rng.integers(-(2**60), 2**60, n)),
            "kind": [None, *(kinds[i % 60] for i in range(n - 1))],
            "on": pa.array([date(2024, 2, 29)] * n),
            "at": pa.array([datetime(2024, 1, 1, 12, 30, 0, 5)] * n, pa.timestamp("us")),
            "open": [True, False, None, *([True] * (n - 3))],
        }
    )


def features(rows):
    categories = tuple(sorted({k for k in rows["kind"].to_pylist() if k}))
    return (Feature("x", "numeric"), Feature("kind", "category", categories))


def test_every_category_null_unseen_value_and_extreme_occurs():
    rows = table(5000)
    raw = golden_inputs(rows, INPUTS, features(rows)).to_pylist()
    assert len(raw) >= ROWS
    kinds = {r["kind"] for r in raw}
    assert {None, UNSEEN, *(f"kind {i}" for i in range(60))} <= kinds
    for i in INPUTS:
        assert any(r[i.name] is None for r in raw) == i.nullable
    k = rows["k"].to_pylist()
    assert {min(k), max(k)} <= {r["k"] for r in raw}
    x = {r["x"] for r in raw}
    assert {-7e30, 1e300, -1e300, None} <= x
    assert all(value is None or np.isfinite(value) for value in x)
    assert any(all(r[i.name] is None for i in INPUTS if i.nullable) for r in raw)


def test_the_values_of_few_rows_are_all_there_and_none_of_the_rows():
    rows = table(30)
    raw = golden_inputs(rows, INPUTS, features(rows))
    assert sorted(raw["k"].to_pylist()[:30]) == sorted(rows["k"].to_pylist())
    known = {(row["k"], row["x"], row["kind"]) for row in rows.to_pylist()}
    assert not [r for r in raw.to_pylist() if (r["k"], r["x"], r["kind"]) in known]


def test_what_an_expression_or_a_rule_reads_is_of_one_row_unless_it_is_sensitive():
    rows = table(400)
    pairs = {(row["k"], row["kind"]) for row in rows.to_pylist()}
    ties = Ties(rules=(InputRule(("k", "kind")),))
    whole = [(r["k"], r["kind"]) for r in drawn(rows, ties)]
    assert set(whole) <= pairs
    apart = [(r["k"], r["kind"]) for r in drawn(rows, replace(ties, sensitive=("kind",)))]
    assert sum(pair in pairs for pair in apart) < 20


def drawn(rows, ties):
    found = golden_inputs(rows, INPUTS, features(rows), ties).to_pylist()
    return [r for r in found[:ROWS] if r["kind"] not in (None, UNSEEN)]


def test_lines_are_json_that_a_request_could_be():
    rows = table(30)
    raw = golden_inputs(rows, INPUTS, features(rows))
    matrix = np.full((raw.num_rows, 2), np.nan, dtype=np.float32)
    matrix[:, 0] = 0.1
    lines = golden_lines(raw, matrix, [{"value": 1.5}] * raw.num_rows).splitlines()
    first = msgspec.json.decode(lines[5], type=GoldenRow)
    assert first.inputs["on"] == "2024-02-29"
    assert first.inputs["at"] == "2024-01-01T12:30:00.000005"
    assert first.features == (float(np.float32(0.1)), None)
    assert len(lines) == raw.num_rows


def test_a_wide_table_has_all_this_in_few_rows():
    rng = np.random.default_rng(1)
    inputs = [Input(f"c{i}", "float", True, None, "event") for i in range(400)]
    rows = pa.table({i.name: [None, *rng.normal(size=999)] for i in inputs})
    raw = golden_inputs(rows, inputs, ())
    assert raw.num_rows < 700
    for name in rows.column_names:
        said, known = raw[name].to_pylist(), rows[name].to_pylist()[1:]
        assert {None, min(known), max(known)} <= set(said)
        assert 0 < said.count(None) < raw.num_rows
