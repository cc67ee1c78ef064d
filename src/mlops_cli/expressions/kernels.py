"""What each operation of a row expression computes, on plain Python values that are not null.

DuckDB is the judge: these follow it for NaN, infinities, overflow and rounding. A value that
cannot be computed is None. Timestamps are naive datetimes in UTC.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from mlops_cli.expressions import text as texts

Kernel = Callable[..., Any]

_MIN, _MAX = -(2**63), 2**63 - 1
_DAY_ZERO = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1)  # naive on purpose: every timestamp here is UTC
_MICROSECOND = timedelta(microseconds=1)


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


def _to_integer(a: float) -> int | None:
    return _bounded(round(a)) if math.isfinite(a) else None


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
    "lower": texts.lower,
    "upper": texts.upper,
    "trim": texts.trim,
    "ltrim": texts.ltrim,
    "rtrim": texts.rtrim,
    "length": len,
    "substring": texts.substring,
    "left": texts.left,
    "right": texts.right,
    "replace": texts.replace,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
    "join": operator.add,
    "to_integer float": _to_integer,
    "to_integer boolean": int,
    "to_integer text": texts.text_to_integer,
    "to_float": float,
    "to_float text": texts.text_to_float,
    "to_text integer": str,
    "to_text boolean": _boolean_to_text,
    "to_text date": date.isoformat,
    "to_text timestamp": _timestamp_to_text,
    "to_boolean": bool,
    "to_boolean text": texts.text_to_boolean,
    "to_date timestamp": datetime.date,
    "to_date text": texts.text_to_date,
    "to_timestamp date": _date_to_timestamp,
    "to_timestamp text": texts.text_to_timestamp,
    "epoch": _epoch,
    "make_date": _make_date,
    **{f"{name} integer": _same for name in _ROUNDINGS},
    **{f"{name} float": _whole(rounded) for name, rounded in _ROUNDINGS.items()},
    **{name: _log(function) for name, function in _LOGARITHMS.items()},
    **_PARTS,
    **{f"date_diff_{unit}": _difference(ordinal) for unit, ordinal in _ORDINALS.items()},
    **{f"date_trunc_{unit}": kernel for unit, kernel in _TRUNCATED.items()},
}
