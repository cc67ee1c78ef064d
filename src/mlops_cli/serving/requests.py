"""The body of a request to a list of events: JSON objects whose keys stand once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

MAX_BODY = 16 * 1024 * 1024  # bytes
MAX_EVENTS = 100_000  # of one list: `{}` repeated to the body's limit would fill the memory

Event = dict[str, Any]


class RequestError(Exception):
    """A request that cannot be answered with a prediction, and the status that says so.

    `row` is the event's place in the list from 0, null where the body is one event; `field` is the
    input's name.
    """

    def __init__(
        self, status: int, message: str, *, field: str | None = None, row: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.row = row


_decode = msgspec.json.Decoder().decode


def decode_events(body: bytes) -> tuple[list[Event], bool]:
    """The events of a body, and whether they came as a list.

    Raises `RequestError`: 400 for what is no JSON (NaN and Infinity are none), a key that stands
    twice, or a number beyond a float64; 413 for too long a list; 422 for what is neither an event
    nor a list of them.
    """
    try:
        value = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as e:
        raise RequestError(400, f"the body is not JSON that can be read: {e}") from e
    if type(value) is dict:
        events, many = [value], False
    elif type(value) is list:
        events, many = value, True
        _check_list(events)
    else:
        raise RequestError(422, "the body must be an event (a JSON object) or a list of events")
    # Each key brings one colon. More colons than keys: they stand in texts, or a key stands twice.
    if body.count(b":") != sum(map(len, events)):
        _check_keys(body)
    return events, many


def _check_list(events: Sequence[object]) -> None:
    if not events:
        raise RequestError(422, "the list holds no events")
    if len(events) > MAX_EVENTS:
        raise RequestError(413, f"the list holds more than {MAX_EVENTS} events: send fewer")
    for row, event in enumerate(events):
        if type(event) is not dict:
            raise RequestError(422, "an event must be a JSON object", row=row)


def _check_keys(body: bytes) -> None:
    try:
        json.loads(body, object_pairs_hook=_no_twin, parse_int=_skip, parse_float=_skip)
    except (ValueError, RecursionError) as e:
        raise RequestError(400, f"the body is not JSON that can be read: {e}") from e


def _no_twin(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) == len(pairs):
        return
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise RequestError(400, f"the key {ascii(key)[:80]} stands twice", field=key)
        seen.add(key)


def _skip(_: str) -> None:
    return None
