"""What the operations on text compute, and how text becomes a value of another type."""

from __future__ import annotations

import re
from datetime import date, datetime

_MIN, _MAX = -(2**63), 2**63 - 1
_REACH = 2**32 - 1  # DuckDB takes no position further from the start or the end
_SPACES = "\x20\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"


def _lower_one(c: str) -> str:
    low = c.lower()
    return low if len(low) == 1 else low[0]


def _upper_one(c: str) -> str:
    """Simple case mapping: one character for one, where Unicode has one."""
    for mapped in (c.upper(), c.title()):
        if len(mapped) == 1:
            return mapped
    return "\u1e9e" if c == "\u00df" else c


def lower(s: str) -> str:
    """Lower case, character by character."""
    return s.lower() if s.isascii() else "".join(map(_lower_one, s))


def upper(s: str) -> str:
    """Upper case, character by character."""
    return s.upper() if s.isascii() else "".join(map(_upper_one, s))


def trim(s: str, chars: str = _SPACES) -> str:
    """Without the characters at both ends; by default Unicode's spaces, which tabs are not."""
    return s.strip(chars) if chars else s


def ltrim(s: str, chars: str = _SPACES) -> str:
    """As `trim`, at the start alone."""
    return s.lstrip(chars) if chars else s


def rtrim(s: str, chars: str = _SPACES) -> str:
    """As `trim`, at the end alone."""
    return s.rstrip(chars) if chars else s


def substring(s: str, start: int, length: int = _REACH) -> str | None:
    """`length` characters from `start`: 1 is the first, -1 the last; before it where negative."""
    if not (-_REACH - 1 <= start <= _REACH and -_REACH - 1 <= length <= _REACH):
        return None
    first = start - 1 if start > 0 else (len(s) + start if start < 0 else -1)
    last = first + length
    if length < 0:
        first, last = last, first
    return s[max(first, 0) : max(last, 0)]


def left(s: str, n: int) -> str | None:
    """The first `n` characters; all but the last -n where it is negative."""
    return s[:n] if n <= _REACH else None


def right(s: str, n: int) -> str:
    """The last `n` characters; all but the first -n where it is negative."""
    return s[-n:] if n else ""


def replace(s: str, old: str, new: str) -> str:
    """Every `old` by `new`; an empty `old` is nowhere."""
    return s.replace(old, new) if old else s


def like(s: str, pattern: str) -> bool:
    """Whether the whole of `s` matches: `%` is any text, `_` any character.

    In time len(s) * len(pattern) at the most: a request must not be able to stall a server.
    """
    i = j = after = 0
    star = -1
    while i < len(s):
        here = pattern[j : j + 1]
        if here == "%":
            star, after = j, i
            j += 1
        elif here in (s[i], "_") and here:
            i, j = i + 1, j + 1
        elif star >= 0:
            after += 1
            i, j = after, star + 1
        else:
            return False
    return not pattern[j:].strip("%")


_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_WHOLE = re.compile(r" *([+-]?\d+) *", re.ASCII)
_NUMBER = re.compile(r" *([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) *", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)


def text_to_integer(s: str) -> int | None:
    """A whole number in decimal notation, of 64 bits."""
    match = _WHOLE.fullmatch(s)
    # The longest numbers of 64 bits have 19 digits; int() refuses thousands of them.
    digits = match[1].lstrip("+-").lstrip("0") if match else ""
    number = int(match[1]) if match and len(digits) < 20 else None
    return number if number is not None and _MIN <= number <= _MAX else None


def text_to_float(s: str) -> float | None:
    """A number in decimal notation, the nearest double."""
    match = _NUMBER.fullmatch(s)
    return float(match[1]) if match else None


def text_to_boolean(s: str) -> bool | None:
    """True, false, t, f, yes, no, y, n, 1 or 0, in any case."""
    low = s.lower()
    return True if low in _TRUE else (False if low in _FALSE else None)


def text_to_date(s: str) -> date | None:
    """An ISO 8601 date."""
    try:
        return date.fromisoformat(s) if _DATE.fullmatch(s) else None
    except ValueError:
        return None


def text_to_timestamp(s: str) -> datetime | None:
    """An ISO 8601 date or timestamp without a zone."""
    try:
        return datetime.fromisoformat(s) if _MOMENT.fullmatch(s) else None
    except ValueError:
        return None
