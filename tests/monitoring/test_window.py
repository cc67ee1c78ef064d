"""What of a profile can be held against a table of another form."""

from __future__ import annotations

import pyarrow as pa

from mlops_cli.bundle.profile import Categories, ColumnProfile, Profile, Values
from mlops_cli.expressions.tree import FeatureTree, Node
from mlops_cli.monitoring.counts.comparison import comparable, compare, without_time

NUMBERS, TEXTS = Values((1.0,), (9,)), Categories({"a": 9}, 0)
THEN = Profile(
    rows=9,
    columns=(
        ColumnProfile("same", "input", "integer", 9, 0, 0.1, NUMBERS),
        ColumnProfile("became_text", "input", "integer", 9, 0, 0.1, NUMBERS),
        ColumnProfile("became_number", "input", "text", 9, 0, 0.1, TEXTS),
        ColumnProfile("long", "input", "text", 9, 0, 0.1, TEXTS),
        ColumnProfile("gone", "input", "text", 9, 0, 0.1, TEXTS),
    ),
)


def test_columns_that_are_gone_or_of_another_kind_are_left_out_and_the_rest_compares() -> None:
    now = pa.table(
        {
            "same": [1.0, 2.0],
            "became_text": ["1", "2"],
            "became_number": [1, 2],
            "long": pa.array(["a", "b"], pa.large_string()),
            "new": [True, False],
        }
    )
    held = comparable(THEN, now.schema)
    assert [c.name for c in held.columns] == ["same", "long"]
    assert [c.unseen for c in compare(held, [now])] == [1, 1]


def plain(name: str, column: str | None = None, *ops: str) -> FeatureTree:
    """A feature that is a column, or operations on one."""
    node = Node("column", "timestamp", value=column or name)
    for op in ops:
        node = Node(op, "integer", (node,))
    return FeatureTree(name, node)


def names(time: str | None, *trees: FeatureTree) -> list[str]:
    return [c.name for c in without_time(THEN, time, trees).columns]


def test_time_goes_on_and_is_left_out_unless_the_model_takes_it() -> None:
    everything = [c.name for c in THEN.columns]
    assert names("same", plain("long")) == [n for n in everything if n != "same"]
    assert names("same", plain("same")) == names(None, plain("long")) == everything


def test_the_weekday_of_the_time_is_left_out_and_that_of_another_column_stays() -> None:
    weekday = plain("long", "same", "dayofweek")
    everything = [c.name for c in THEN.columns]
    assert names("same", weekday, plain("same")) == [n for n in everything if n != "long"]
    assert names("gone", weekday) == [n for n in everything if n != "gone"]
