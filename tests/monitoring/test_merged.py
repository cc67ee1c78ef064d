"""Of a sensitive column a profile tells nothing that fewer than five rows share."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.profile import OpenBins, Profile, Values
from mlops_cli.monitoring.counts.columns import bucket_counts
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.counts.merged import merged_categories, merged_sketch
from mlops_cli.monitoring.drift.profile import build_profile
from mlops_cli.serving.explain import reference_row

NUMBERS = st.lists(st.one_of(st.integers(-9, 9).map(float), st.floats(-1e300, 1e300)), max_size=400)
TEXTS = st.dictionaries(st.text(max_size=3), st.integers(1, 12), max_size=300)


@given(NUMBERS)
def test_every_bin_has_five_rows_and_no_edge_is_a_value(numbers: list[float]) -> None:
    values = np.array(numbers) + 0.0
    found = merged_sketch(values)
    assert all(count >= 5 for count in found.counts)
    assert sum(found.counts) == (len(values) if len(values) >= 5 else 0)
    if isinstance(found, OpenBins):
        edges = np.array(found.edges)
        assert len(found.counts) == len(edges) + 1
        inside = np.searchsorted(edges, values, side="left")
        assert np.bincount(inside, minlength=len(found.counts)).tolist() == list(found.counts)
        between = np.nextafter(edges, np.inf)  # of neighbours among doubles there is none between
        assert not set(edges[~np.isin(between, values)].tolist()) & set(values.tolist())


def test_a_value_of_many_rows_has_a_bin_of_its_own() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.zeros(9000), rng.exponential(1, 1000), -rng.exponential(1, 500)])
    found = merged_sketch(values)
    assert isinstance(found, OpenBins)
    assert 9000 <= max(found.counts) < 9050
    assert len(found.edges) > 30


def test_values_of_five_rows_each_are_listed() -> None:
    assert merged_sketch(np.repeat([1.0, 2.0], [5, 9])) == Values((1.0, 2.0), (5, 9))


@given(TEXTS)
def test_texts_and_buckets_are_of_five_rows(counts: Mapping[str, int]) -> None:
    found = merged_categories(counts)
    assert all(count >= 5 for count in found.counts.values())
    assert found.other == 0 or found.other >= 5
    assert (found.buckets is None) == (found.other == 0)
    if found.buckets is not None:
        rest = {text: n for text, n in counts.items() if text not in found.counts}
        assert all(n == 0 or n >= 5 for n in bucket_counts(rest, len(found.buckets)))
        assert sum(found.buckets) == sum(counts.values())


@pytest.mark.parametrize("rare", [0, 3, 40, 3000])
def test_a_profile_and_what_is_held_to_it_agree(rare: int) -> None:
    rng = np.random.default_rng(rare)
    n = 6000
    city = rng.choice(["Oslo", "Bergen"], n).astype(object)
    city[:rare] = [f"village {i}" for i in range(rare)]
    table = pa.table({"city": city, "age": rng.normal(40, 9, n), "open": rng.random(n) < 0.5})
    inputs = (
        Input("city", "text", True, None, "event"),
        Input("age", "float", True, None, "event"),
        Input("open", "boolean", True, None, "event"),
    )
    raw = build_profile(
        table, inputs=inputs, features=[], importance={}, sensitive=["city", "age", "open"]
    )
    assert b"village" not in raw
    profile = msgspec.json.decode(raw, type=Profile)
    for column in compare(profile, [table]):
        assert column.rows == column.profile.count + column.profile.missing
        moved = np.abs(column.reference - column.current).sum()
        assert moved <= 0.01 * n  # few rare texts are missing, and then unseen
    age = Feature("age", "numeric")
    assert abs(reference_row(profile, [age])[0] - 40) < 1
