"""JSON: canonical, of which a digest is made; pretty, for people and git; a server's log lines."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def canonical_json(value: object) -> bytes:
    """Canonical JSON: UTF-8, keys sorted, no white space, one newline at the end."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def pretty_json(value: object, *, sort_keys: bool = False) -> str:
    """A line a field, in the order of the type's fields or sorted; one newline at the end."""
    encoded = msgspec.json.encode(value, order="sorted" if sort_keys else None)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def plain_json(content: bytes) -> Any:
    """The value of JSON in which no object has a key twice: of those each reader takes another.

    Raises `ValueError` for one that has, and for what is no JSON, or nested too deep to be read.
    """
    try:
        return json.loads(content, object_pairs_hook=_members)
    except RecursionError as e:
        raise ValueError("it is nested too deep") from e


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!a} stands twice in an object")
        found[key] = value
    return found


class _Line(msgspec.Struct, frozen=True):
    message: str
    type: str | None = msgspec.field(name="error.type", default=None)
    fault: str | None = msgspec.field(name="error.message", default=None)


def message_of(line: str) -> str:
    """What a line of a server's log says, if it is JSON with the names of ECS; else the line."""
    try:
        said = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeError):
        return line
    return f"{said.message}: {said.type}: {said.fault}" if said.type else said.message
