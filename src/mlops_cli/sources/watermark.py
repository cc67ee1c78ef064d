"""How far a column that only grows was read: its values as a mark, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from mlops_cli.errors import UsageError
from mlops_cli.sources.base import Landed
from mlops_cli.sources.connection import Value


def mark_of(value: pa.Scalar) -> dict[str, Any]:
    """A value as a mark has it."""
    found = value.as_py()
    if isinstance(found, datetime | date):  # a Timestamp of pandas is one, too
        kind = "datetime" if isinstance(found, datetime) else "date"
        return {"watermark": found.isoformat(), "kind": kind}
    return {"watermark": found, "kind": type(found).__name__}


def kind_of(part: Landed) -> str:
    """Of what kind the values of a part's mark are."""
    return str(part.mark.get("kind", "int"))


def reached(part: Landed) -> Any:
    """The highest value of a part."""
    return value_of(str(part.mark["watermark"]), kind_of(part))


def reaches(part: Landed, text: str) -> bool:
    """Whether a part goes up to that value; a moment without an offset is UTC."""
    return not below(str(part.mark["watermark"]), text, kind_of(part))


def below(text: str, other: str, kind: str | None) -> bool:
    """Whether the value of a text is below another's; raises `UsageError` as `value_of` does."""
    return bool(_comparable(value_of(text, kind)) < _comparable(value_of(other, kind)))


def _comparable(value: Any) -> Any:
    moment = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC).replace(tzinfo=None) if moment else value


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
