"""A list is encoded a column at a time: the bits, and the refusals, of a row at a time."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mixed_events import ENCODER, EVENT, GOOD, ODD
from mlops_cli.serving.column_encoder import FEW
from mlops_cli.serving.requests import RequestError

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
