"""A list is encoded a column at a time: the bits, and the refusals, of a row at a time."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.bundle.manifest import Feature, Input, Manifest, Target
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees, Node, ValueType
from mlops_cli.serving.column_encoder import FEW, FLOAT32_LIMIT
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.requests import RequestError

WORDS = ("a", "b", "NA", "x")
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "count": st.integers(-(2**63), 2**63 - 1),
    "wide": st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([FLOAT32_LIMIT, -FLOAT32_LIMIT, 3.4028235e38, 3.4028235677973362e38, -0.0]),
    "mixed": st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6),
    "text": st.sampled_from(WORDS),
    "day": st.sampled_from(["2024-02-29", "2023-01-01"]),
    "american": st.sampled_from(["02/29/2024", "2023-01-01"]),
    "moment": st.sampled_from(["2024-02-29T10:00:00+02:00", "2023-01-01"]),
}
TYPES: dict[str, ValueType] = {
    "flag": "boolean",
    "count": "integer",
    "wide": "float",
    "mixed": "float",
    "text": "text",
    "day": "date",
    "american": "date",
    "moment": "timestamp",
}
ODD = st.one_of(
    st.none(),
    st.sampled_from(["", "NA", "yes", "text", 1, 0, 3.0, 2.5, 2**63, 2**70, 10**400, True, [], {}]),
)


def _encoder() -> RowEncoder:
    columns = {name: Node("column", kind, value=name) for name, kind in TYPES.items()}
    computed = {
        "weekday": Node("dayofweek", "integer", (columns["day"],)),
        "sum": Node("add", "float", (columns["wide"], columns["mixed"])),
        "one": Node("literal", "float", value=1.0),
    }
    numbers = {n: columns[n] for n in ("flag", "count", "wide", "mixed")} | computed
    inputs = tuple(
        Input(
            name,
            kind,
            name != "count",
            None,
            "request",
            ("x",) if name == "text" else (),
            "%m/%d/%Y" if name == "american" else None,
        )
        for name, kind in TYPES.items()
    )
    features = (*(Feature(n, "numeric") for n in numbers), Feature("text", "category", ("a", "b")))
    trees = FeatureTrees(
        tuple(FeatureTree(n, tree) for n, tree in {**numbers, "text": columns["text"]}.items())
    )
    target = Target("y")
    manifest = Manifest("1.0", "p", "regression", target, None, "xgboost", inputs, features,
                        "3.11", {}, {})  # fmt: skip
    return RowEncoder(manifest, trees)


ENCODER = _encoder()
EVENT = st.fixed_dictionaries(GOOD)
ODDITY = st.tuples(st.sampled_from(sorted(GOOD)), ODD, st.integers(0, FEW))


@settings(deadline=None, max_examples=300)
@given(st.lists(EVENT, min_size=FEW, max_size=FEW + 4), st.lists(ODDITY, max_size=3))
def test_columns_and_rows_say_the_same(
    events: list[dict[str, Any]], odd: list[tuple[str, Any, int]]
) -> None:
    for name, value, row in odd:
        events[row % len(events)][name] = value
    try:
        expected: Any = ENCODER.matrix([ENCODER.row(e, i) for i, e in enumerate(events, 7)])
    except RequestError as e:
        expected = e
    try:
        found: Any = ENCODER.encode(events, 7)
    except RequestError as e:
        found = e
    if isinstance(expected, RequestError):
        assert isinstance(found, RequestError)
        assert (found.status, found.message, found.field, found.row) == (
            expected.status,
            expected.message,
            expected.field,
            expected.row,
        )
    else:
        assert found.tobytes() == expected.tobytes()


def test_many_good_events_take_the_columns() -> None:
    values = (True, 3, 1.5, 2, "a", "2024-02-29", "02/29/2024", "2023-01-01")
    event = dict(zip(GOOD, values, strict=True))
    assert ENCODER._columns.matrix([event] * FEW) is not None
    assert ENCODER._columns.matrix([{**event, "count": "3"}] * FEW) is None
    assert ENCODER._columns.matrix([event] * (FEW - 1)) is None
