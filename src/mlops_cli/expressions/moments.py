"""Dates and times that are not written as ISO 8601: the formats there are, and how they are read.

A format is made of strptime's codes, or counts from 1970 UTC: `epoch_s`, `epoch_ms`. What fits
`pattern` and is a day of the calendar is read the same by tables (DuckDB's strptime) and here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta

EPOCHS = {"epoch_s": 1_000_000.0, "epoch_ms": 1_000.0}
"""A format that counts, and the microseconds of one."""
ISO = r"[12]\d{3}-\d{2}-\d{2}"
"""How ISO 8601 begins, which is read beside a format."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_TWO_DIGITS = "\\d{2}"
_CODES: dict[str, tuple[str, str]] = {  # beside another digit, and where something parts them
    "Y": (r"[12]\d{3}",) * 2,
    "y": (_TWO_DIGITS,) * 2,
    "m": ("(?:0[1-9]|1[0-2])", "(?:1[0-2]|0?[1-9])"),
    "d": (r"(?:0[1-9]|[12]\d|3[01])", r"(?:[12]\d|3[01]|0?[1-9])"),
    "b": ("(?:" + "|".join(m[:3] for m in _MONTHS) + ")",) * 2,
    "B": ("(?:" + "|".join(_MONTHS) + ")",) * 2,
    "H": (r"(?:[01]\d|2[0-3])", r"(?:1\d|2[0-3]|0?\d)"),
    "I": ("(?:0[1-9]|1[0-2])", "(?:1[0-2]|0?[1-9])"),
    "M": (r"[0-5]\d",) * 2,
    "S": (r"[0-5]\d",) * 2,
    "p": ("(?:AM|PM)",) * 2,
}
_CODE = re.compile(r"%(.)")
_KINDS = ({"Y", "y"}, {"m", "b", "B"}, {"d"}, {"H", "I"}, {"M"}, {"S"}, {"p"})
_BEGINNING = datetime(1970, 1, 1)
_LOW, _HIGH = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
RANGE = (_LOW, _HIGH)
"""The microseconds since 1970 of the first and the last moment that there is."""


def check_format(text: str) -> None:
    """Raise `ValueError` for what is no format of a date or a moment."""
    if text in EPOCHS:
        return
    codes = _CODE.findall(text)
    if unknown := [c for c in codes if c not in _CODES] or re.findall("%$", text):
        raise ValueError(
            f"{text!r} has %{unknown[0].strip('%')}: the codes are %" + " %".join(_CODES)
        )
    counts = [sum(c in kind for c in codes) for kind in _KINDS]
    hour = counts[3:]
    if counts[:3] != [1, 1, 1] or max(hour) > 1 or (any(hour) and hour[:2] != [1, 1]):
        raise ValueError(
            f"{text!r} is no format of a date: it needs year, month and day once each, such as "
            "%d/%m/%Y, with a time %d/%m/%Y %H:%M; or it is epoch_s, epoch_ms"
        )
    if ("I" in codes) != ("p" in codes):
        raise ValueError(f"{text!r}: %I and %p go together, or it is %H")


def has_clock(text: str) -> bool:
    """Whether a format tells of more than the day."""
    return text in EPOCHS or bool({"H", "I"} & set(_CODE.findall(text)))


def pattern(text: str) -> str:
    """The regular expression (Python's and RE2's) of a format's texts, a group a code."""
    parts: list[str] = ["(?i)"]
    tokens = re.findall(r"%.|[^%]", text)
    for i, token in enumerate(tokens):
        if len(token) == 1:
            parts.append(re.escape(token))
            continue
        beside = [t for t in (*tokens[max(i - 1, 0) : i], *tokens[i + 1 : i + 2]) if len(t) == 2]
        parts.append(f"({_CODES[token[1]][0 if beside else 1]})")
    return "".join(parts)


def reader(text: str) -> Callable[[object], datetime | None]:
    """The function that reads values of this format; None for what is none of them."""
    if (size := EPOCHS.get(text)) is not None:
        return lambda value: _since_1970(value, size)
    fits = re.compile(pattern(text), re.ASCII).fullmatch
    codes = _CODE.findall(text)

    def read(value: object) -> datetime | None:
        if type(value) is float and value.is_integer():
            value = int(value)
        found = fits(str(value)) if type(value) in (str, int) else None
        return _moment(dict(zip(codes, found.groups(), strict=True))) if found else None

    return read


def _since_1970(value: object, size: float) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        micros = math.floor(float(value) * size)
    except (ValueError, OverflowError):
        return None
    return _BEGINNING + timedelta(microseconds=micros) if _LOW <= micros <= _HIGH else None


def _moment(parts: dict[str, str]) -> datetime | None:
    try:
        return datetime(
            _year(parts), _month(parts), int(parts["d"]), _hour(parts), _int(parts, "M"),
            _int(parts, "S"),
        )  # fmt: skip
    except ValueError:
        return None


def _year(parts: dict[str, str]) -> int:
    if "Y" in parts:
        return int(parts["Y"])
    short = int(parts["y"])
    return short + (2000 if short < 69 else 1900)  # as POSIX has it


def _month(parts: dict[str, str]) -> int:
    if "m" in parts:
        return int(parts["m"])
    name = (parts.get("b") or parts["B"])[:3].capitalize()
    return [m[:3] for m in _MONTHS].index(name) + 1


def _hour(parts: dict[str, str]) -> int:
    if "I" not in parts:
        return _int(parts, "H")
    return int(parts["I"]) % 12 + (12 if parts["p"].upper() == "PM" else 0)


def _int(parts: dict[str, str], code: str) -> int:
    return int(parts.get(code, 0))
