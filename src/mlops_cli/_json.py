"""JSON in two forms: canonical, of which a digest is made, and pretty, for people and git."""

from __future__ import annotations

import msgspec


def canonical_json(value: object) -> bytes:
    """Canonical JSON: UTF-8, keys sorted, no white space, one newline at the end."""
    return msgspec.json.encode(value, order="sorted") + b"\n"


def pretty_json(value: object, *, sort_keys: bool = False) -> str:
    """A line a field, in the order of the type's fields or sorted; one newline at the end."""
    encoded = msgspec.json.encode(value, order="sorted" if sort_keys else None)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"
