"""The body of a request to events: of the JSON, only what the model reads is made a value."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypedDict

import msgspec

from mlops_cli.serving.list_reader import Columns, ListReader

MAX_BODY = 16 * 1024 * 1024  # bytes
MAX_OBJECTS = 100_000  # of a list, nested ones counted: `{}` repeated would fill the memory
MAX_KEYS = 100_000  # of an event, nested ones counted
LARGE_LIST = 1024 * 1024  # bytes of a list, or of a part, from which on each event is read alone
_NAMED = 64 * 1024  # bytes of an event that may be read once more, to find a key that stands twice
_SHOWN = 3  # inputs that a message names
_COMPARED = 200  # inputs among which the one that was meant is looked for

Scalar = bool | int | float | str | None
Event = dict[str, Any]


class RequestError(Exception):
    """A request that cannot be answered with a prediction, and the status that says so.

    `row` is the event's place in the list from 0, null where the body is one event; `field` is the
    input's name; `headers` are those that the answer must have beside its own.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        field: str | None = None,
        row: int | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.row = row
        self.headers = headers


def error_body(message: str, field: str | None = None, row: int | None = None) -> bytes:
    """The content of every answer that is an error."""
    return msgspec.json.encode({"error": {"field": field, "message": message, "row": row}})


class _Anything(msgspec.Struct, gc=False):
    """A JSON object of which nothing is kept."""


_objects = msgspec.json.Decoder(list[_Anything]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_scalar = msgspec.json.Decoder(Scalar).decode
_NESTED: dict[int, list[Any] | dict[str, Any]] = {ord("["): [], ord("{"): {}}
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class EventDecoder:
    """Reads events of a model's inputs; what stands under other keys is skipped, not built.

    `also` are inputs of another version that may be meant: to bring them is no fault.
    """

    def __init__(self, inputs: Sequence[str], types: Mapping[str, Any] | None = None) -> None:
        self._inputs = dict.fromkeys(inputs)
        self.also: Collection[str] = ()
        self._by_spelling = {_spelling(name): name for name in reversed(self._inputs)}
        fields: dict[str, Any] = dict.fromkeys(self._inputs, Scalar)
        kind = TypedDict("Event", fields, total=False)  # type: ignore[misc]  # names are data here
        exact = TypedDict("Exact", {**fields, **(types or {})}, total=False)  # type: ignore[misc]  # as above
        self._read: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
        self._read_exact: Callable[[bytes], Any] = msgspec.json.Decoder(exact).decode
        self._read_list = ListReader({name: (types or fields)[name] for name in self._inputs})

    def event(self, body: bytes, row: int | None = None) -> Event:
        """The inputs that occur in one event, by name.

        Raises `RequestError`: 400 for what is no JSON in UTF-8 (NaN and Infinity are none), a key
        that stands twice, or a number beyond a float64; 413 for too many keys; 422 for what is no
        event, names no input at all, or misspells one.
        """
        _check_encoding(body, row)
        try:
            event: Event = self._read(body)
        except msgspec.ValidationError:
            event = self._one_by_one(body, row)
        except _UNREADABLE as e:
            raise _unreadable(e, row) from e
        # Each key brings one colon, and each in a text is one: what is left is of other keys, or of
        # a key that stands twice.
        colons = body.count(b":") - len(event)
        if colons and b"\\" not in body:
            colons -= sum(text.count(":") for text in event.values() if type(text) is str)
        if colons or not event:
            self._check(body, event, row)
        return event

    def exact(self, body: bytes) -> Event | None:
        """An event whose values are of `types`, with no key but the inputs'; None: ask `event`."""
        if len(body) > _NAMED:  # it is not read twice
            return None
        try:
            event: Event = self._read_exact(body)
        except _UNREADABLE:
            return None
        colons = body.count(b":") - len(event)
        if colons and _texts(event, body) != colons:
            return None
        return event if event and (body.isascii() or _is_text(body)) else None

    def exact_list(self, body: bytes) -> Columns | None:
        """The events of a list, each with every input and as of `exact`, by column.

        None: ask `event` of each.
        """
        if len(body) > LARGE_LIST:
            return None
        try:
            with _no_collector():
                columns = self._read_list.read(body)
        except _UNREADABLE:
            return None
        return columns if columns and _is_text(body) else None

    def check_names(self, names: Sequence[str]) -> None:
        """Hold the names that a request uses to the inputs, as `event` does.

        Raises `RequestError` (422) where none of them is an input, or one is misspelt.
        """
        event = dict.fromkeys(name for name in names if name in self._inputs)
        if not event and not any(name in self.also for name in names):
            raise RequestError(422, self._no_input(dict.fromkeys(names)))
        self._check_spelling(names, event, None)

    def _one_by_one(self, body: bytes, row: int | None) -> Event:
        """For an event with a value that no input may have: the encoder names it and its field."""
        event: Event = {}
        found = _all_members(body, row)
        for name in (name for name in self._inputs if name in found):
            raw = bytes(found[name])
            try:
                event[name] = _scalar(raw) if raw[0] not in _NESTED else _NESTED[raw[0]]
            except _UNREADABLE as e:
                raise _unreadable(e, row, name) from e
        return event

    def _check(self, body: bytes, event: Event, row: int | None) -> None:
        members = _all_members(body, row)
        _check_twins(body, members, row)
        if not event and not any(name in self.also for name in members):
            raise RequestError(422, self._no_input(members), row=row)
        self._check_spelling(members, event, row)

    def _check_spelling(
        self, names: Iterable[str], event: Mapping[str, Any], row: int | None
    ) -> None:
        others = (key for key in names if key not in self._inputs and key not in self.also)
        for key in others if len(event) < len(self._inputs) else ():
            name = self._by_spelling.get(_spelling(key))
            if name is not None and name not in event:
                said = f"{_quoted(key)} is not an input of the model: did you mean {_quoted(name)}?"
                raise RequestError(422, said, field=name, row=row)

    def _no_input(self, members: Mapping[str, Any]) -> str:
        shown = ", ".join(f"{_quoted(name)}: ..." for name in islice(self._inputs, _SHOWN))
        more = ", ..." if len(self._inputs) > _SHOWN else ""
        said = f"no input of the model occurs: send {{{shown}{more}}}, or a list of such objects"
        key = next(iter(members), None)
        if key is None:
            return said
        known = islice(self._by_spelling, _COMPARED)
        near = get_close_matches(_spelling(key), list(known), n=1, cutoff=0.75)
        meant = f"; did you mean {_quoted(self._by_spelling[near[0]])}?" if near else ""
        return f"{said}; {_quoted(key)} is not an input{meant}"


def elements(body: bytes) -> list[msgspec.Raw] | None:
    """The events of a list, as JSON; None where the body is no list.

    Raises `RequestError` (400, 413, 422) before anything is built of a list that is too long, no
    JSON, empty, or not of objects.
    """
    if body.lstrip(b" \t\r\n")[:1] != b"[":
        return None
    if body.count(b"{") > MAX_OBJECTS:
        many = f"the list holds more than {MAX_OBJECTS} events or other objects: send fewer"
        raise RequestError(413, many)
    try:
        with _no_collector():
            _objects(body)
            found = _elements(body)
    except msgspec.ValidationError as e:
        at = re.search(r"\$\[(\d+)\]", str(e))
        row = int(at[1]) if at else None
        raise RequestError(422, "an event must be a JSON object", row=row) from e
    except _UNREADABLE as e:
        raise _unreadable(e, None) from e
    if not found:
        raise RequestError(422, "the list holds no events")
    return found


def _texts(event: Event, body: bytes) -> int:
    """The colons in the texts of an event, if they stand in its body as they are."""
    if b"\\" in body:
        return -1
    return sum(text.count(":") for text in event.values() if type(text) is str)


def _is_text(body: bytes) -> bool:
    try:
        _check_encoding(body, None)
    except RequestError:
        return False
    return True


def bodies_of(body: bytes) -> list[bytes]:
    """The events of a list that `EventDecoder.exact_list` has read, each as it came."""
    return [bytes(raw) for raw in _elements(body)]


def _check_encoding(body: bytes, row: int | None) -> None:
    # By itself, since the decoders skip what belongs to no input without a look at it.
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as e:
        raise _unreadable(e, row) from e


def _all_members(body: bytes, row: int | None) -> dict[str, msgspec.Raw]:
    if body.count(b":") > MAX_KEYS:
        raise RequestError(413, f"an event holds more than {MAX_KEYS} keys: send fewer", row=row)
    try:
        return _members(body)
    except msgspec.ValidationError as e:
        said = "the body must be an event (a JSON object) or a list of events"
        raise RequestError(422, said, row=row) from e
    except _UNREADABLE as e:
        raise _unreadable(e, row) from e


def _check_twins(body: bytes, members: Mapping[str, msgspec.Raw], row: int | None) -> None:
    """Hold every colon to a key or to the text of a value: one more is of a key that was lost."""
    colons = body.count(b":") - len(members)
    if not colons:
        return
    in_keys = sum(key.count(":") for key in members)
    colons -= in_keys + sum(bytes(raw).count(b":") for raw in members.values())
    if colons or (in_keys and b"\\u003a" in body.lower()):
        key = _twin(body) if len(body) <= _NAMED else None
        said = "a key" if key is None else f"the key {ascii(key)[:80]}"
        raise RequestError(400, f"{said} stands twice", field=key, row=row)


def _twin(body: bytes) -> str | None:
    seen: set[str] = set()
    for key, _ in json.loads(body, object_pairs_hook=list, parse_int=str, parse_float=str):
        if key in seen:
            return str(key)
        seen.add(key)
    return None


def _unreadable(e: Exception, row: int | None, field: str | None = None) -> RequestError:
    said = f"the body is not JSON that can be read: {str(e)[:200]}"
    return RequestError(400, said, field=field, row=row)


def _spelling(name: str) -> str:
    """What is left of a name without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name[:200]).casefold()


def _quoted(name: str) -> str:
    return f'"{ascii(name[:40])[1:-1]}"'


@contextmanager
def _no_collector() -> Iterator[None]:
    """A list is built without a walk through all that was built of it, at each generation."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
