"""Lists as columns: what the events say, or nothing."""

from __future__ import annotations

import pytest

from mlops_cli.serving.list_reader import ListReader, events_of

TYPES = {"a b": int, 'text "x': str | None, "c": float}
PLAIN = {"a": int, "text": str | None, "c": float}
ONE = b'{"a":1,"text":"x","c":2}'


def test_the_events_are_those_of_the_list_in_any_order_of_keys() -> None:
    columns = ListReader(PLAIN).read(b'[{"c": 0.5, "a": 1, "text": null}, %b]' % ONE)
    assert columns is not None
    assert events_of(columns) == [
        {"a": 1, "text": None, "c": 0.5},
        {"a": 1, "text": "x", "c": 2.0},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":1,"text":"x","c":2,"a":1}]',
        b'[{"a":1,"text":"x","c":2,"other":1}]',
        b'[{"a":1,"text":"\\u003a","c":2,"other":1}]',
        b'[{"a":1,"text":":","c":2,"other":1}]',
        b"[]",
    ],
)
def test_a_key_that_stands_twice_or_is_no_input_is_looked_at(body: bytes) -> None:
    assert ListReader(PLAIN).read(body) is None


def test_colons_of_texts_are_none_of_keys() -> None:
    columns = ListReader(PLAIN).read(b'[{"a":1,"text":"12:30:00","c":2},%b]' % ONE)
    assert columns is not None
    assert columns["text"] == ("12:30:00", "x")


def test_what_no_field_can_be_named_is_read_otherwise() -> None:
    assert ListReader(TYPES).read(b'[{"a b":1,"text \\"x":"x","c":2}]') is None
    assert ListReader({}).read(b"[{}]") is None
