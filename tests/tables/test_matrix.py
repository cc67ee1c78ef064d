"""The matrix: float32, missing is NaN, categories by the frozen list."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Feature
from mlops_cli.errors import DataError
from mlops_cli.tables.matrix import encode, frozen_categories

NUMERIC = [Feature("x", "numeric")]


def column(values, kind, features=None):
    return encode(pa.table({"x": pa.array(values, kind)}), features or NUMERIC)[:, 0]


def test_what_float32_cannot_hold_is_missing():
    values = [1.5, None, float("nan"), float("inf"), -float("inf"), 1e39, -1e300, 0.1]
    got = column(values, pa.float64())
    want = np.array([1.5, *[np.nan] * 6, np.float32(0.1)], np.float32)
    np.testing.assert_array_equal(got, want)


def test_integers_go_through_float64():
    values = [2**53 + 1, 2**63 - 1, -(2**63), None, 7]
    want = [np.float32(np.float64(v)) if v is not None else np.nan for v in values]
    np.testing.assert_array_equal(column(values, pa.int64()), np.array(want, np.float32))


def test_booleans_are_0_and_1():
    np.testing.assert_array_equal(column([True, False, None], pa.bool_()), [1, 0, np.nan])


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_unseen_and_null_categories_are_missing(kind):
    values = pa.array(["b", None, "z", "a", ""], pa.string()).cast(kind)
    features = [Feature("x", "category", ("", "a", "b"))]
    got = encode(pa.table({"x": values}), features)[:, 0]
    np.testing.assert_array_equal(got, np.array([2, np.nan, np.nan, 1, 0], np.float32))


def test_categories_are_sorted_by_code_point_without_null():
    table = pa.table({"x": ["é", "b", None, "B", "b", ""], "y": pa.array([None] * 6, pa.string())})
    assert frozen_categories(table, ["x", "y"]) == {"x": ("", "B", "b", "é"), "y": ()}


def test_the_order_is_that_of_the_features_in_tables_and_batches():
    table = pa.table({"a": [1, 2], "b": [3.0, None]})
    features = [Feature("b", "numeric"), Feature("a", "numeric")]
    want = np.array([[3, 1], [np.nan, 2]], np.float32)
    np.testing.assert_array_equal(encode(table, features), want)
    np.testing.assert_array_equal(encode(table.to_batches()[0], features), want)
    assert encode(table, features).flags.c_contiguous


def test_no_rows_and_chunks():
    table = pa.table({"x": pa.chunked_array([[1], [2, 3]])})
    np.testing.assert_array_equal(encode(table, NUMERIC), [[1], [2], [3]])
    assert encode(table.slice(0, 0), NUMERIC).shape == (0, 1)


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        (["a"], Feature("x", "numeric")),
        ([1], Feature("x", "category", ("a",))),
        (["a"], Feature("x", "category", None)),
        (["a"], Feature("y", "numeric")),
    ],
)
def test_a_column_that_does_not_fit_is_named(values, feature):
    with pytest.raises(DataError, match=f"'{feature.name}'"):
        encode(pa.table({"x": values}), [feature])
