"""How far a column that only grows was read: its values as a mark, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from mlops_cli.errors import UsageError
from mlops_cli.sources.base import Landed
from mlops_cli.sources.connection import Value


def mark_of(value: pa.Scalar) -> dict[str, Any]:
    """A value as a mark has it."""
    found = value.as_py()
    if isinstance(found, datetime | date):
        return {"watermark": found.isoformat(), "kind": type(found).__name__}
    return {"watermark": found, "kind": type(found).__name__}


def kind_of(part: Landed) -> str:
    """Of what kind the values of a part's mark are."""
    return str(part.mark.get("kind", "int"))


def reached(part: Landed) -> Any:
    """The highest value of a part."""
    return value_of(str(part.mark["watermark"]), kind_of(part))


_READERS: dict[str, Callable[[str], Value]] = {
    "int": int,
    "float": float,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "str": str,
}


def value_of(text: str, kind: str | None) -> Any:
    """A watermark of that kind from its text; without one, what the text looks like.

    Raises `UsageError` for a text that is none.
    """
    for name in [kind] if kind else ["int", "float", "datetime", "str"]:
        try:
            return _READERS[name](text)
        except ValueError:
            continue
    raise UsageError(f"{text!r} is no {kind}, as the watermark is", hint="as the column has it")
