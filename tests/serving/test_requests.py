"""Whatever a client sends: the same number, or an answer that names the field."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bundles
from running import Client

CALM = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = [i.name for i in bundles.INPUTS]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["2013-01-01", "2013-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "AA"]),
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=12,
)


def _ask(client: Client, body: bytes) -> tuple[int, Any]:
    status, headers, content = asyncio.run(client.ask("POST", "/v1/predict", body))
    assert headers[b"content-type"] == b"application/json"
    return status, msgspec.json.decode(content)


def _predict(client: Client, value: Any) -> Any:
    status, answer = _ask(client, msgspec.json.encode(value))
    assert status == 200, answer
    return answer["predictions"]


@CALM
@given(ANY_JSON | st.dictionaries(st.sampled_from(NAMES), SCALARS))
def test_any_json_is_answered_or_refused_with_a_reason(client: Client, value: Any) -> None:
    try:
        body = msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError):  # msgspec writes no integer beyond 64 bits
        body = repr(value).encode(errors="replace")
    status, answer = _ask(client, body)
    assert status in (200, 400, 422)
    if status == 200:
        assert 0 <= answer["predictions"][0]["probability"] <= 1
    else:
        assert answer["error"]["message"]
        assert set(answer["error"]) == {"field", "message", "row"}


@CALM
@given(st.binary(max_size=60))
def test_any_bytes_are_refused_and_nothing_breaks(client: Client, body: bytes) -> None:
    status, answer = _ask(client, body)
    assert status in (400, 422)
    assert answer["error"]["message"]


@CALM
@given(which=st.integers(0, 239), chance=st.randoms(use_true_random=False), extra=st.booleans())
def test_how_an_event_is_written_never_changes_the_number(
    client: Client, binary: bundles.Sample, which: int, chance: random.Random, *, extra: bool
) -> None:
    event = binary.events[which]
    items = [(k, v) for k, v in event.items() if v is not None or chance.random() < 0.5]
    items = [(k, _as_other_number(v)) for k, v in items]
    if extra:
        items += [("further", "yes"), ("nested", {"a": [1, {"b": None}]})]
    chance.shuffle(items)
    number = _predict(client, dict(items))[0]["probability"]
    assert number == _predict(client, [event])[0]["probability"]
    assert abs(number - binary.raw[which]) <= 1e-6 + 1e-5 * abs(binary.raw[which])


def _as_other_number(value: Any) -> Any:
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is float and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    return value


def test_all_rows_in_one_list_are_training_s_own_predictions(
    client: Client, binary: bundles.Sample
) -> None:
    found = _predict(client, binary.events * 5)  # more rows than are computed at one go
    wanted = [float(p) for p in binary.raw] * 5
    assert [p["probability"] for p in found] == pytest.approx(wanted, abs=1e-6, rel=1e-5)
    assert [p["label"] for p in found] == [p >= 0.5 for p in wanted]


GOOD = {"origin": "JFK", "distance": 100}
REFUSED = [
    ("origin", 3),
    ("origin", None),
    ("origin", ["JFK"]),
    ("distance", "100"),
    ("distance", True),
    ("distance", 1.5),
    ("distance", 2.0**60),
    ("distance", 2**63),
    ("distance", None),
    ("temp", "warm"),
    ("temp", False),
    ("temp", {"value": 1}),
    ("wet", 2),
    ("wet", "perhaps"),
    ("day", "yesterday"),
    ("day", 20130101),
    ("day", "2013-02-30"),
    ("day", "20130101"),
    ("day", "2013-W01-1"),
    ("at", "2013-01-01+02:00"),
    ("at", "2013-01-01-05:00"),
    ("at", "2013-01-01T10:00:00*Z"),
    ("at", "2013-W01-1"),
    ("at", "2013-01-01T25:00:00"),
    ("at", 1357000000),
    ("at", "0001-01-01T00:00:00+14:00"),
]


@pytest.mark.parametrize(("field", "value"), REFUSED)
def test_a_value_of_another_type_is_refused_naming_field_and_row(
    client: Client, field: str, value: Any
) -> None:
    bad = {**GOOD, field: value}
    status, answer = _ask(client, msgspec.json.encode(bad))
    assert (status, answer["error"]["field"], answer["error"]["row"]) == (422, field, None)
    assert field in answer["error"]["message"]
    status, answer = _ask(client, msgspec.json.encode([GOOD, GOOD, bad]))
    assert (status, answer["error"]["field"], answer["error"]["row"]) == (422, field, 2)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b'{"origin":"JFK","distance":1,"temp":NaN}', 400, "JSON"),
        (b'{"origin":"JFK","distance":1,"temp":-Infinity}', 400, "JSON"),
        (b'{"origin":"JFK","distance":1,"temp":1e999}', 400, "out of range"),
        (b'{"origin":"JFK","distance":1,"distance":2}', 400, "'distance' stands twice"),
        (b'{"origin":"JFK","origin":"LGA","distance":1,"carrier":"a:b"}', 400, "'origin' stands"),
        (b'{"origin":"JFK","distance":1,"a\\u003ab":0,"x":0,"x":1}', 400, "stands twice"),
        (b'{"origin":"JFK","distance":1,"a:b":0,"x":0,"x":1}', 400, "'x' stands twice"),
        (b'{"origin":"JFK","\\u006frigin":"LGA","distance":1}', 400, "'origin' stands twice"),
        (b'[{"origin":"JFK","distance":1},{"x":1,"x":1}]', 400, "'x' stands twice"),
        (b'{"origin":"JFK","distance":1,"x":"\xcd"}', 400, "can't decode byte 0xcd"),
        (b'[{"origin":"JFK","distance":1,"x":"\xcd","x":1}]', 400, "can't decode byte 0xcd"),
        (b"[" * 100_000, 422, "JSON object"),
        (b'{"x":' * 100_000, 400, "JSON"),
        (b'{"origin":"JFK","distance":' + b"9" * 5000 + b"}", 400, "out of range"),
        (b'{"origin":"JFK","distance":1,' + b'"x":1,' * 100_000 + b'"y":1}', 413, "100000 keys"),
        (b"[]", 422, "no events"),
        (b"[" + b"{}," * 100_000 + b"{}]", 413, "more than 100000 events"),
        (b"[" + b"1," * 1_000_000 + b"{}]", 422, "JSON object"),
        (b"[[]]", 422, "JSON object"),
        (b"null", 422, "an event"),
        (b"3", 422, "an event"),
        (b'"event"', 422, "an event"),
    ],
)
def test_what_is_no_event_is_refused(client: Client, body: bytes, status: int, says: str) -> None:
    found, answer = _ask(client, body)
    assert found == status
    assert says in answer["error"]["message"]


def test_a_colon_in_a_text_is_no_second_key(client: Client) -> None:
    at = {**GOOD, "carrier": "Zürich:Air", "at": "2013-01-01T10:00:00+02:00"}
    utc = {**GOOD, "carrier": "Zürich:Air", "at": "2013-01-01 08:00:00"}
    assert _predict(client, at) == _predict(client, utc)


@pytest.mark.parametrize(
    "extra",
    [
        b'"extra":{"a":1,"a":2}',
        b'"extra":1e999',
        b'"extra":"a:b","more:yet":[{"x":1}]',
        b'"":[[{}]]',
    ],
)
def test_what_stands_under_other_keys_changes_nothing(client: Client, extra: bytes) -> None:
    body = msgspec.json.encode(GOOD)
    status, answer = _ask(client, body[:-1] + b"," + extra + b"}")
    assert status == 200
    assert answer["predictions"] == _predict(client, GOOD)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, 'send {"carrier": ..., "origin": ..., "distance": ..., ...}, or a list'),
        ({"instances": [GOOD]}, '"instances" is not an input'),
        ({"dataframe_split": {"columns": ["origin"], "data": [["JFK"]]}}, '"dataframe_split" is'),
        ({"inputs": GOOD}, '"inputs" is not an input'),
        ({"distanc": 1}, 'did you mean "distance"?'),
        ({"Origin": "JFK", "Distance": 1}, '"Origin" is not an input; did you mean "origin"?'),
        ([GOOD, {"further": 1}], '"further" is not an input'),
    ],
)
def test_an_event_that_names_no_input_is_told_the_form(
    client: Client, value: Any, says: str
) -> None:
    status, answer = _ask(client, msgspec.json.encode(value))
    assert status == 422
    assert says in answer["error"]["message"]
    assert answer["error"]["row"] == (1 if isinstance(value, list) else None)


@pytest.mark.parametrize("key", ["Temp", " temp", "TEMP ", "te_mp", "te-mp"])
def test_a_misspelt_key_is_named_where_its_input_is_absent(client: Client, key: str) -> None:
    status, answer = _ask(client, msgspec.json.encode({**GOOD, key: 39.0}))
    assert (status, answer["error"]["field"]) == (422, "temp")
    assert (
        f'"{key}" is not an input of the model: did you mean "temp"?'
        in (answer["error"]["message"])
    )
    both = {**GOOD, key: 39.0, "temp": 40.0}
    assert _predict(client, both) == _predict(client, {**GOOD, "temp": 40.0})


def test_a_null_is_no_absent_input(client: Client) -> None:
    assert _predict(client, {**GOOD, "temp": None}) == _predict(client, GOOD)


def test_a_key_like_no_input_is_ignored(client: Client) -> None:
    assert _predict(client, {**GOOD, "tempo": 1, "day2": "x"}) == _predict(client, GOOD)
