"""What each operation of a row expression computes, on plain Python values that are not null.

DuckDB is the judge: these follow it for NaN, infinities, overflow and rounding. A value that
cannot be computed is None. Timestamps are naive datetimes in UTC.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

Kernel = Callable[..., Any]

_MIN, _MAX = -(2**63), 2**63 - 1
_DAY_ZERO = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1)  # naive on purpose: every timestamp here is UTC
_MICROSECOND = timedelta(microseconds=1)
_REACH = 2**32 - 1  # DuckDB takes no position further from the start or the end
_SPACES = "\x20\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"


def _bounded(value: int) -> int | None:
    return value if _MIN <= value <= _MAX else None


def _add(a: int, b: int) -> int | None:
    return _bounded(a + b)


def _sub(a: int, b: int) -> int | None:
    return _bounded(a - b)


def _mul(a: int, b: int) -> int | None:
    return _bounded(a * b)


def _divide(a: float, b: float) -> float:
    if b != 0:
        return a / b
    if a == 0 or a != a:
        return math.nan
    return math.copysign(math.inf, a) * math.copysign(1.0, b)


def _int_div(a: int, b: int) -> int | None:
    if b == 0:
        return None
    quotient = abs(a) // abs(b)
    return _bounded(quotient if (a < 0) == (b < 0) else -quotient)


def _int_mod(a: int, b: int) -> int | None:
    if b == 0 or (a == _MIN and b == -1):
        return None
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


def _mod(a: float, b: float) -> float:
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def _pow(a: float, b: float) -> float:
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and math.fmod(b, 2) != 0 else math.inf
    except ValueError:
        if a != 0:
            return math.nan
        odd = math.fmod(b, 2) != 0 and b == math.trunc(b)
        return math.copysign(math.inf, a) if odd else math.inf


def _neg(a: int) -> int | None:
    return _bounded(-a)


def _int_abs(a: int) -> int | None:
    return _bounded(abs(a))


def _sign(a: float) -> int:
    return (a > 0) - (a < 0)


def _whole(rounded: Callable[[float], int]) -> Kernel:
    def kernel(a: float) -> float:
        return math.copysign(float(rounded(a)), a) if math.isfinite(a) else a

    return kernel


def _half_up(a: float) -> int:
    whole = math.trunc(a)
    return whole + ((a > 0) - (a < 0)) if abs(a - whole) >= 0.5 else whole


_round = _whole(_half_up)


def _round_to(a: float, digits: int) -> float:
    scale = math.pow(10.0, abs(digits))
    rounded: float = _round(a * scale) / scale if digits >= 0 else _round(a / scale) * scale
    return rounded if math.isfinite(rounded) else a


def _log(function: Callable[[float], float]) -> Kernel:
    def kernel(a: float) -> float:
        if a > 0:
            return function(a)
        return -math.inf if a == 0 else math.nan

    return kernel


def _exp(a: float) -> float:
    try:
        return math.exp(a)
    except OverflowError:
        return math.inf


def _sqrt(a: float) -> float:
    return math.nan if a < 0 else math.sqrt(a)


def _float_eq(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def _float_ne(a: float, b: float) -> bool:
    return not _float_eq(a, b)


def _float_lt(a: float, b: float) -> bool:
    """NaN is one value, above all others."""
    return a < b or (b != b and a == a)


def _float_le(a: float, b: float) -> bool:
    return a <= b or b != b


def _float_gt(a: float, b: float) -> bool:
    return _float_lt(b, a)


def _float_ge(a: float, b: float) -> bool:
    return _float_le(b, a)


def _lower_one(c: str) -> str:
    low = c.lower()
    return low if len(low) == 1 else low[0]


def _upper_one(c: str) -> str:
    """Simple case mapping: one character for one, where Unicode has one."""
    for mapped in (c.upper(), c.title()):
        if len(mapped) == 1:
            return mapped
    return "\u1e9e" if c == "\u00df" else c


def _lower(s: str) -> str:
    return s.lower() if s.isascii() else "".join(map(_lower_one, s))


def _upper(s: str) -> str:
    return s.upper() if s.isascii() else "".join(map(_upper_one, s))


def _trim(s: str, chars: str = _SPACES) -> str:
    return s.strip(chars) if chars else s


def _ltrim(s: str, chars: str = _SPACES) -> str:
    return s.lstrip(chars) if chars else s


def _rtrim(s: str, chars: str = _SPACES) -> str:
    return s.rstrip(chars) if chars else s


def _substring(s: str, start: int, length: int = _REACH) -> str | None:
    if not (-_REACH - 1 <= start <= _REACH and -_REACH - 1 <= length <= _REACH):
        return None
    first = start - 1 if start > 0 else (len(s) + start if start < 0 else -1)
    last = first + length
    if length < 0:
        first, last = last, first
    return s[max(first, 0) : max(last, 0)]


def _left(s: str, n: int) -> str | None:
    return s[:n] if n <= _REACH else None


def _right(s: str, n: int) -> str:
    return s[-n:] if n else ""


def _replace(s: str, old: str, new: str) -> str:
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


def _to_integer(a: float) -> int | None:
    return _bounded(round(a)) if math.isfinite(a) else None


_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_WHOLE = re.compile(r" *([+-]?\d+) *", re.ASCII)
_NUMBER = re.compile(r" *([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) *", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?", re.ASCII)


def _text_to_integer(s: str) -> int | None:
    match = _WHOLE.fullmatch(s)
    # The longest numbers of 64 bits have 19 digits; int() refuses thousands of them.
    digits = match[1].lstrip("+-").lstrip("0") if match else ""
    return _bounded(int(match[1])) if match and len(digits) < 20 else None


def _text_to_float(s: str) -> float | None:
    match = _NUMBER.fullmatch(s)
    return float(match[1]) if match else None


def _text_to_boolean(s: str) -> bool | None:
    low = s.lower()
    return True if low in _TRUE else (False if low in _FALSE else None)


def _text_to_date(s: str) -> date | None:
    try:
        return date.fromisoformat(s) if _DATE.fullmatch(s) else None
    except ValueError:
        return None


def _text_to_timestamp(s: str) -> datetime | None:
    try:
        return datetime.fromisoformat(s) if _MOMENT.fullmatch(s) else None
    except ValueError:
        return None


def _boolean_to_text(a: bool) -> str:
    return "true" if a else "false"


def _timestamp_to_text(a: datetime) -> str:
    text = a.isoformat(sep=" ")
    return text.rstrip("0") if a.microsecond else text


def _date_to_timestamp(a: date) -> datetime:
    return datetime(a.year, a.month, a.day)  # naive on purpose: every timestamp here is UTC


def _epoch(a: datetime) -> float:
    return float((a - _EPOCH) // _MICROSECOND) / 1e6


def _make_date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except (ValueError, OverflowError):
        return None


_PARTS: dict[str, Kernel] = {
    "year": operator.attrgetter("year"),
    "quarter": lambda a: (a.month + 2) // 3,
    "month": operator.attrgetter("month"),
    "week": lambda a: a.isocalendar()[1],
    "day": operator.attrgetter("day"),
    "dayofweek": lambda a: a.isoweekday() % 7,
    "isodow": lambda a: a.isoweekday(),
    "dayofyear": lambda a: a.timetuple().tm_yday,
    "hour": operator.attrgetter("hour"),
    "minute": operator.attrgetter("minute"),
    "second": operator.attrgetter("second"),
}
_ORDINALS: dict[str, Kernel] = {
    "year": operator.attrgetter("year"),
    "quarter": lambda a: a.year * 4 + (a.month - 1) // 3,
    "month": lambda a: a.year * 12 + a.month,
    "day": lambda a: a.toordinal(),
    "hour": lambda a: (a - _EPOCH) // timedelta(hours=1),
    "minute": lambda a: (a - _EPOCH) // timedelta(minutes=1),
    "second": lambda a: (a - _EPOCH) // timedelta(seconds=1),
}
_MIDNIGHT = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
_TRUNCATED: dict[str, Kernel] = {
    "year": lambda a: a.replace(month=1, day=1, **_MIDNIGHT),
    "quarter": lambda a: a.replace(month=(a.month - 1) // 3 * 3 + 1, day=1, **_MIDNIGHT),
    "month": lambda a: a.replace(day=1, **_MIDNIGHT),
    "week": lambda a: (a - timedelta(days=a.weekday())).replace(**_MIDNIGHT),
    "day": lambda a: a.replace(**_MIDNIGHT),
    "hour": lambda a: a.replace(minute=0, second=0, microsecond=0),
    "minute": lambda a: a.replace(second=0, microsecond=0),
    "second": lambda a: a.replace(microsecond=0),
}


def _difference(ordinal: Kernel) -> Kernel:
    return lambda a, b: ordinal(b) - ordinal(a)


def _same(a: Any) -> Any:
    return a


_ROUNDINGS: dict[str, Callable[[float], int]] = {
    "round": _half_up,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
}
_LOGARITHMS = {"ln": math.log, "log2": math.log2, "log10": math.log10}

# By name, or by name and the type of the first argument, where that makes a difference.
KERNELS: dict[str, Kernel] = {
    "add integer": _add,
    "add float": operator.add,
    "sub integer": _sub,
    "sub float": operator.sub,
    "sub date": lambda a, b: (a - b).days,
    "mul integer": _mul,
    "mul float": operator.mul,
    "div": _divide,
    "int_div": _int_div,
    "mod integer": _int_mod,
    "mod float": _mod,
    "pow": _pow,
    "neg integer": _neg,
    "neg float": operator.neg,
    "abs integer": _int_abs,
    "abs float": abs,
    "sign": _sign,
    "round_to": _round_to,
    "exp": _exp,
    "sqrt": _sqrt,
    "isnan": math.isnan,
    "isinf": math.isinf,
    "isfinite": math.isfinite,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq float": _float_eq,
    "ne float": _float_ne,
    "lt float": _float_lt,
    "le float": _float_le,
    "gt float": _float_gt,
    "ge float": _float_ge,
    "not": operator.not_,
    "lower": _lower,
    "upper": _upper,
    "trim": _trim,
    "ltrim": _ltrim,
    "rtrim": _rtrim,
    "length": len,
    "substring": _substring,
    "left": _left,
    "right": _right,
    "replace": _replace,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
    "join": operator.add,
    "to_integer float": _to_integer,
    "to_integer boolean": int,
    "to_integer text": _text_to_integer,
    "to_float": float,
    "to_float text": _text_to_float,
    "to_text integer": str,
    "to_text boolean": _boolean_to_text,
    "to_text date": date.isoformat,
    "to_text timestamp": _timestamp_to_text,
    "to_boolean": bool,
    "to_boolean text": _text_to_boolean,
    "to_date timestamp": datetime.date,
    "to_date text": _text_to_date,
    "to_timestamp date": _date_to_timestamp,
    "to_timestamp text": _text_to_timestamp,
    "epoch": _epoch,
    "make_date": _make_date,
    **{f"{name} integer": _same for name in _ROUNDINGS},
    **{f"{name} float": _whole(rounded) for name, rounded in _ROUNDINGS.items()},
    **{name: _log(function) for name, function in _LOGARITHMS.items()},
    **_PARTS,
    **{f"date_diff_{unit}": _difference(ordinal) for unit, ordinal in _ORDINALS.items()},
    **{f"date_trunc_{unit}": kernel for unit, kernel in _TRUNCATED.items()},
}
