"""What fewer than five rows share is not told."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from mlops_cli.expressions.tree import FeatureTree, Node
from mlops_cli.tables.disclosure import frequent, reading, withheld


def test_a_text_of_fewer_than_five_rows_is_no_frequent_one() -> None:
    column = pa.chunked_array([["a"] * 5 + ["b"] * 3, ["b", None, None, None, None, None]])
    assert frequent(column).to_pylist() == ["a"]
    assert withheld(column, "x").to_pylist() == ["a"] * 5 + ["x"] * 4 + [None] * 5
    assert withheld(column, None).to_pylist() == ["a"] * 5 + [None] * 9


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([*range(20), None], [4] * 5 + [*range(5, 15)] + [15] * 5 + [None]),
        ([1.5, 2.5, 3.5], [2.5] * 3),
        ([None], [None]),
        ([True] * 4 + [False] * 8, [False] * 12),
        ([date(2000, 1, d) for d in range(1, 11)],
         [date(2000, 1, 5)] * 5 + [date(2000, 1, 6)] * 5),
    ],
)  # fmt: skip
def test_what_stands_out_is_the_fifth_from_the_end(values: list[object], wanted: object) -> None:
    assert withheld(pa.chunked_array([values]), None).to_pylist() == wanted


def test_a_feature_that_reads_a_sensitive_column_is_sensitive() -> None:
    age, km = (Node("column", "float", value=name) for name in ("age", "km"))
    trees = [FeatureTree("old", Node("mul", "float", (age, km))), FeatureTree("km", km)]
    assert reading(trees, ["age"]) == {"age", "old"}
