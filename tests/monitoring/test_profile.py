"""What the profile keeps of a table, and that it keeps it exactly."""

from __future__ import annotations

from datetime import date, datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.profile import Bins, Categories, Profile, Values
from mlops_cli.expressions.tree import FeatureTree, Node
from mlops_cli.monitoring.counts.sketches import MAX_CATEGORIES, sketch, top_categories
from mlops_cli.monitoring.drift.profile import build_profile


def profile_of(table: pa.Table, **types: str) -> Profile:
    inputs = [Input(n, types[n], True, None, "event") for n in table.column_names]  # type: ignore[arg-type]
    return msgspec.json.decode(
        build_profile(table, inputs=inputs, features=[], importance={}), type=Profile
    )


def test_each_type_becomes_numbers_or_counts() -> None:
    table = pa.table(
        {
            "b": [True, False, None],
            "f": [1.5, float("nan"), float("inf")],
            "d": pa.array([date(1970, 1, 2)] * 3),
            "t": pa.array([datetime(1970, 1, 1, 0, 1)] * 3, pa.timestamp("us")),
            "s": ["x", "x", None],
        }
    )
    got = profile_of(table, b="boolean", f="float", d="date", t="timestamp", s="text")
    forms = {c.name: (c.distribution, c.missing) for c in got.columns}
    assert forms == {
        "b": (Values((0.0, 1.0), (1, 1)), 1),
        "f": (Values((1.5,), (1,)), 2),
        "d": (Values((86400.0,), (3,)), 0),
        "t": (Values((60.0,), (3,)), 0),
        "s": (Categories({"x": 2}, 0), 1),
    }
    assert got.rows == 3


def test_name_that_is_input_and_feature_is_profiled_once_with_the_features_importance() -> None:
    table = pa.table({"a": [1.0, 2.0], "b": [1.0, 3.0], "c": [2.0, 5.0]})
    inputs = [Input("a", "float", True, None, "event"), Input("b", "float", True, None, "event")]
    features = [Feature("a", "numeric"), Feature("c", "numeric")]
    tree = Node("add", "float", (Node("column", "float", value="b"),) * 2)
    raw = build_profile(
        table,
        inputs=inputs,
        features=features,
        importance={"a": 3.0, "c": 1.0},
        trees=[FeatureTree("a", Node("column", "float", value="a")), FeatureTree("c", tree)],
    )
    columns = msgspec.json.decode(raw, type=Profile).columns
    assert [(c.name, c.role, c.importance) for c in columns] == [
        ("a", "input", 0.75),
        ("b", "input", 0.25),
        ("c", "feature", 0.25),
    ]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(101, 3000), atom=st.floats(0, 0.9))
def test_distribution_function_is_exact_at_every_edge(seed: int, n: int, atom: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(n) < atom, 0.0, rng.standard_cauchy(n))
    got = sketch(values)
    assert isinstance(got, Bins | Values)
    at = got.edges if isinstance(got, Bins) else got.values
    assert len(at) <= 2 * 128
    assert np.array_equal(np.cumsum(got.counts), [int((values <= edge).sum()) for edge in at])
    assert sum(got.counts) == n


def test_value_that_fills_bins_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.linspace(-1, 1, 1000), np.zeros(500)])
    got = sketch(values)
    assert isinstance(got, Bins)
    assert got.counts[got.edges.index(0.0)] == 500


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0])), min_size=2),
    st.randoms(),
)
def test_order_of_rows_does_not_change_a_byte(values: list[float | None], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    inputs = [Input("x", "float", True, None, "event")]
    first, second = (
        build_profile(
            pa.table({"x": pa.array(v, pa.float64())}), inputs=inputs, features=[], importance={}
        )
        for v in (values, shuffled)
    )
    assert first == second


def test_rare_texts_are_counted_together() -> None:
    counts = {f"t{i:04}": 1 for i in range(MAX_CATEGORIES + 7)} | {"often": 50}
    got = top_categories(counts)
    assert got.counts["often"] == 50
    assert len(got.counts) == MAX_CATEGORIES
    assert got.other == 8
    assert sum(got.buckets or ()) == sum(counts.values())


def test_profile_stays_small() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({f"x{i}": rng.normal(size=5000) for i in range(20)})
    inputs = [Input(n, "float", True, None, "event") for n in table.column_names]
    assert len(build_profile(table, inputs=inputs, features=[], importance={})) < 100_000


def test_column_that_the_table_lacks_is_named() -> None:
    inputs = [Input("gone", "float", True, None, "event")]
    with pytest.raises(KeyError, match="gone"):
        build_profile(pa.table({"x": [1.0]}), inputs=inputs, features=[], importance={})
