"""One JSON value to one typed value, or the reason why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime

from mlops_cli.expressions.decimal_comma import DECIMAL_COMMA, with_point
from mlops_cli.expressions.moments import check_format, has_clock, reader
from mlops_cli.expressions.text import text_to_boolean
from mlops_cli.expressions.tree import ValueType

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "NaN", "nan", "?")
"""What stands for a missing value where numbers, times and booleans are written as text."""
Value = bool | int | float | str | date | datetime
EXACT = 2**53  # beyond it a float64 no longer tells neighbouring integers apart
BIGINT = 2**63
# What tables understand, too. Python reads further forms, and 2013-01-01+02:00 as two o'clock.
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIMESTAMP = re.compile(
    _DATE.pattern
    + r"(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d*)?)?(?:Z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?)?",
    re.ASCII,
)


def missing_words(kind: ValueType, listed: Collection[str] = ()) -> tuple[str, ...]:
    """Every text that stands for a missing value of that type, in tables, frames and requests.

    The empty one always does: CSV cannot tell it from a missing value. `listed` are the column's
    own.
    """
    return tuple(dict.fromkeys((*listed, *(("",) if kind == "text" else MISSING))))


class Refused(ValueError):
    """A value that is not of its input's type; the message says what was wanted and what came."""


def to_boolean(value: object) -> bool:
    """True or false, also as tables write them: yes, no, t, f, y, n in any case, 1 and 0."""
    if type(value) is bool:
        return value
    said = text_to_boolean(value) if type(value) is str else None
    if type(value) is int and value in (0, 1):
        said = value == 1
    if said is None:
        raise _refused("true or false", value)
    return said


def to_integer(value: object) -> int:
    """An integer of 64 bits; 3.0 is 3, as long as a float64 holds it exactly."""
    if type(value) is int:
        if -BIGINT <= value < BIGINT:
            return value
        raise Refused("the integer does not fit 64 bits")
    if type(value) is float and value.is_integer() and -EXACT <= value <= EXACT:
        return int(value)
    raise _refused("an integer", value)


def to_float(value: object) -> float:
    """A float64; an integer becomes the nearest one."""
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError as e:
            raise Refused("the number does not fit a float") from e
    raise _refused("a number", value)


def to_text(value: object) -> str:
    """Text as it stands: nothing is stripped and nothing folded."""
    if type(value) is str:
        return value
    raise _refused("text", value)


def to_date(value: object) -> date:
    """A date from ISO 8601: 2013-01-31."""
    if type(value) is str and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as e:
            raise _refused("an ISO 8601 date", value) from e
    raise _refused("an ISO 8601 date", value)


def to_timestamp(value: object) -> datetime:
    """A naive datetime in UTC from ISO 8601; an offset is taken off, none means UTC.

    2013-01-31, 2013-01-31T10:00, 2013-01-31 10:00:00.5+02:00 and the like.
    """
    if type(value) is str and _TIMESTAMP.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        except (ValueError, OverflowError) as e:
            raise _refused("an ISO 8601 timestamp", value) from e
    raise _refused("an ISO 8601 timestamp", value)


Converter = Callable[[object], Value | None]


def converter(
    kind: ValueType, missing: Collection[str] = (), form: str | None = None
) -> tuple[type | None, Converter]:
    """The type that needs no further look, and what makes a value of any other.

    A text that stands for a missing value (`missing_words`) becomes None; `form` is a format of
    dates or moments, beside ISO 8601, or that of numbers with a decimal comma, beside JSON's.
    Raises `Refused` when it is called with what is no such value.
    """
    exact, convert = CONVERTERS[kind]
    if form is not None:
        convert = _by_format(kind, form) if form != DECIMAL_COMMA else _with_comma(kind)
    words = frozenset(missing_words(kind, missing))
    plain = convert

    def unless_missing(value: object) -> Value | None:
        return None if type(value) is str and value in words else plain(value)

    return None if exact is str else exact, unless_missing


def check_form(kind: ValueType, form: str | None) -> None:
    """Raise `ValueError` where values of that type cannot be written in that format."""
    if form is None:
        return
    if kind in ("integer", "float"):
        if form != DECIMAL_COMMA:
            raise ValueError(f"a number's format is {DECIMAL_COMMA}, not {form!r}")
        return
    if kind not in ("date", "timestamp"):
        raise ValueError(f"a {kind} column has no format")
    check_format(form)
    if kind == "date" and has_clock(form):
        raise ValueError(f"the format {form!r} tells the time of day: the type is timestamp")


def _by_format(kind: ValueType, form: str) -> Callable[[object], Value]:
    read, (_, iso) = reader(form), CONVERTERS[kind]

    def convert(value: object) -> Value:
        found = read(value)
        if found is None:
            try:
                return iso(value)
            except Refused as e:
                raise _refused(f"a {kind} as {form}, or ISO 8601", value) from e
        return found.date() if kind == "date" else found

    return convert


def _with_comma(kind: ValueType) -> Callable[[object], Value]:
    _, plain = CONVERTERS[kind]

    def convert(value: object) -> Value:
        if type(value) is not str:
            return plain(value)
        if (text := with_point(value)) is None:
            raise _refused("a number, also as text with a decimal comma", value)
        # As tables do: whole numbers of 64 bits exactly, also beyond those of a float64.
        if kind == "integer" and not set(text) & set(".eE"):
            return plain(int(text))
        return plain(float(text))

    return convert


# The type that needs no further look, and the converter for all others.
CONVERTERS: dict[ValueType, tuple[type | None, Callable[[object], Value]]] = {
    "boolean": (bool, to_boolean),
    "integer": (None, to_integer),
    "float": (float, to_float),
    "text": (str, to_text),
    "date": (None, to_date),
    "timestamp": (None, to_timestamp),
}

_KINDS = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def _refused(wanted: str, value: object) -> Refused:
    kind = _KINDS.get(type(value), "null")
    shown = "" if isinstance(value, list | dict) else f" {ascii(value)[:40]}"
    return Refused(f"wanted {wanted}, got {kind}{shown}")
