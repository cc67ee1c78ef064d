"""Events whose values are of their inputs' types: the bits and the refusals of any other."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mixed_events import ENCODER, EVENT, GOOD, ODD, TYPES
from mlops_cli.serving.exact_rows import packed
from mlops_cli.serving.list_reader import events_of
from mlops_cli.serving.requests import EventDecoder, RequestError

DECODER = EventDecoder(list(TYPES), ENCODER.exact.types)
EVENT_OF_ANY = st.tuples(
    EVENT,
    st.dictionaries(st.sampled_from([*GOOD, "other"]), ODD, max_size=2),
    st.sets(st.sampled_from(sorted(GOOD)), max_size=2),
)
GOOD_ONE = {
    "flag": True,
    "count": 3,
    "wide": 1.5,
    "mixed": 2,
    "text": "a",
    "day": "2024-02-29",
    "american": "02/29/2024",
    "moment": "2023-01-01",
}


def _body(drawn: tuple[dict[str, Any], dict[str, Any], set[str]]) -> bytes:
    event, odd, absent = drawn
    return json.dumps({k: v for k, v in {**event, **odd}.items() if k not in absent}).encode()


def _usual(body: bytes) -> bytes | None:
    """The row that every event gets; None: it is refused."""
    try:
        return ENCODER.matrix([ENCODER.row(DECODER.event(body))]).tobytes()
    except RequestError:
        return None


@settings(deadline=None, max_examples=500)
@given(EVENT_OF_ANY)
def test_a_row_is_the_same_or_left_to_the_usual_way(drawn: Any) -> None:
    body = _body(drawn)
    event = DECODER.exact(body)
    row = ENCODER.exact.row(event) if event is not None else None
    if row is not None:
        assert packed([row], ENCODER.width).tobytes() == _usual(body)


@settings(deadline=None, max_examples=300)
@given(st.lists(EVENT_OF_ANY, min_size=1, max_size=4))
def test_so_is_a_list(drawn: Any) -> None:
    bodies = [_body(one) for one in drawn]
    columns = DECODER.exact_list(b"[%b]" % b", ".join(bodies))
    matrix = ENCODER.exact.matrix(columns) if columns is not None else None
    if matrix is not None:
        assert [row.tobytes() for row in matrix] == [_usual(body) for body in bodies]


def test_what_is_usual_takes_this_way() -> None:
    for changed in ({}, {"wide": None}, {"wide": 3}, {"text": "x"}, {"text": "with: a colon"}):
        body = json.dumps({**GOOD_ONE, **changed}).encode()
        event = DECODER.exact(body)
        assert event is not None
        assert ENCODER.exact.row(event) is not None
        columns = DECODER.exact_list(b"[%b,%b]" % (body, body))
        assert columns is not None
        assert events_of(columns) == [event, event]
        assert ENCODER.exact.matrix(columns) is not None
    sparse = {name: value for name, value in GOOD_ONE.items() if name != "mixed"}
    event = DECODER.exact(json.dumps(sparse).encode())
    assert event is not None
    assert ENCODER.exact.row(event) is not None


def test_what_is_to_be_looked_at_does_not() -> None:
    good = json.dumps(GOOD_ONE)
    needed = json.dumps({name: value for name, value in GOOD_ONE.items() if name != "count"})
    event = DECODER.exact(needed.encode())
    assert event is not None
    assert ENCODER.exact.row(event) is None  # which may not be null
    for body in (
        good.replace("1.5", '"1.5"'),
        good.replace("{", '{"other": 1, '),
        good.replace("{", '{"count": 4, '),
        good.replace("3", "3.0", 1),
        good.replace('"a"', '"\\u003a:"'),
        good + "}",
        good.replace("a", "\udc80", 1),
        "{}",
        "[]",
        "",
    ):
        assert DECODER.exact(body.encode("utf-8", "surrogateescape")) is None, body
        assert DECODER.exact_list(f"[{body}]".encode("utf-8", "surrogateescape")) is None


def test_what_is_large_is_not_read_twice() -> None:
    event = json.dumps(GOOD_ONE).encode()
    padded = event.replace(b"{", b"{" + b" " * 70_000)
    assert DECODER.exact(padded) is None
    assert events_of(DECODER.exact_list(b"[%b]" % padded) or {}) == [GOOD_ONE]
    assert DECODER.exact_list(b"[%b]" % b",".join([padded] * 16)) is None


def test_zeros_of_either_sign_are_told_apart() -> None:
    """What an expression gave is kept by what it read, where equal values mean the same."""
    found = []
    for zero in ("0.0", "-0.0"):
        event = DECODER.exact(json.dumps(GOOD_ONE).replace("1.5", zero).encode())
        assert event is not None
        found.append(ENCODER.exact.row(event))
    assert str(found[0]) != str(found[1])
