"""The closed set of operations that a row expression may use, and how DuckDB computes each.

Every operation is total: what cannot be computed (overflow, `x // 0`, a failed cast) is null, so
neither the order of evaluation nor an optimizer can change a feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from mlops_cli.expressions.tree import ValueType

Slot = ValueType | Literal["any"]

DATE_PARTS = ("year", "quarter", "month", "week", "day", "dayofweek", "isodow", "dayofyear")
TIME_PARTS = ("hour", "minute", "second")
TRUNCATIONS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")
DIFFERENCES = ("year", "quarter", "month", "day", "hour", "minute", "second")

# Years 1 to 9999, as ISO 8601, JSON and Python have them; DuckDB's own calendar is wider.
_YEAR = r"(?:[1-9]\d{3}|0[1-9]\d{2}|00[1-9]\d|000[1-9])"
# The same of a number, null for any other, naming it once: an argument that stood twice would
# double at every level of nesting.
_YEAR_OF = "cast(nullif(try_cast(try_cast($0 as usmallint) as decimal(4, 0)), 0) as bigint)"
_DATE = _YEAR + r"-\d{2}-\d{2}"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of an operation: argument types, result type, and its SQL.

    `any` is one type, the same in every `any` slot. With `repeats` the last slot may be repeated,
    and `$args` in the SQL is the list of all arguments, `$rest` of all but the first.
    """

    args: tuple[Slot, ...]
    result: Slot
    sql: str
    repeats: bool = False

    def slots(self, count: int) -> tuple[Slot, ...] | None:
        """The slots of `count` arguments; None where it does not take so many."""
        if self.repeats and count >= len(self.args):
            return (*self.args, *self.args[-1:] * (count - len(self.args)))
        return self.args if count == len(self.args) else None


def _o(signature: str, sql: str) -> Overload:
    """An overload from text such as `integer integer > integer` (`any* > any`: repeats)."""
    left, _, result = signature.partition(" > ")
    repeats = left.endswith("*")
    args = left.rstrip("*").split()
    return Overload(cast("tuple[Slot, ...]", tuple(args)), cast("Slot", result), sql, repeats)


def _numbers(sql: str, *, exact: str | None = None, arity: int = 2) -> tuple[Overload, ...]:
    whole, real = " ".join(["integer"] * arity), " ".join(["float"] * arity)
    return (_o(f"{whole} > integer", exact or f"try({sql})"), _o(f"{real} > float", sql))


def _comparison(sign: str) -> tuple[Overload, ...]:
    return (_o("any any > boolean", f"($0 {sign} $1)"),)


def _real(name: str) -> tuple[Overload, ...]:
    return (_o("float > float", f"{name}($0)"),)


def _part(name: str) -> tuple[Overload, ...]:
    of_date = _o("date > integer", f"{name}($0)")
    of_timestamp = _o("timestamp > integer", f"{name}($0)")
    return (of_timestamp,) if name in TIME_PARTS else (of_date, of_timestamp)


def _difference(part: str) -> tuple[Overload, ...]:
    sql = f"date_diff('{part}', $0, $1)"
    of_timestamps = _o("timestamp timestamp > integer", sql)
    return (
        (of_timestamps,) if part in TIME_PARTS else (_o("date date > integer", sql), of_timestamps)
    )


_ARITHMETIC = {
    "add": _numbers("($0 + $1)"),
    "sub": (*_numbers("($0 - $1)"), _o("date date > integer", "($0 - $1)")),
    "mul": _numbers("($0 * $1)"),
    "div": (_o("float float > float", "($0 / $1)"),),
    "int_div": (_o("integer integer > integer", "try($0 // $1)"),),
    "mod": _numbers("($0 % $1)"),
    "pow": (_o("float float > float", "pow($0, $1)"),),
    "neg": _numbers("(- $0)", exact="try(cast(0 as bigint) - $0)", arity=1),
    "abs": _numbers("abs($0)", arity=1),
    "sign": (
        _o("integer > integer", "cast(sign($0) as bigint)"),
        _o("float > integer", "cast(sign($0) as bigint)"),
    ),
    "round": _numbers("round($0)", exact="$0", arity=1),
    "round_to": (_o("float integer > float", "round($0, cast($1 as integer))"),),
    "floor": _numbers("floor($0)", exact="$0", arity=1),
    "ceil": _numbers("ceil($0)", exact="$0", arity=1),
    "trunc": _numbers("trunc($0)", exact="$0", arity=1),
    **{name: _real(name) for name in ("ln", "log2", "log10", "exp", "sqrt")},
    # DuckDB's own `isnan` is not to be had: see `tables.base.is_nan`.
    "isnan": (_o("float > boolean", "case when isfinite($0) then false else not isinf($0) end"),),
    **{name: (_o("float > boolean", f"{name}($0)"),) for name in ("isinf", "isfinite")},
}
_LOGIC = {
    "eq": _comparison("="),
    "ne": _comparison("<>"),
    "lt": _comparison("<"),
    "le": _comparison("<="),
    "gt": _comparison(">"),
    "ge": _comparison(">="),
    "is_distinct": _comparison("is distinct from"),
    "is_not_distinct": _comparison("is not distinct from"),
    "between": (_o("any any any > boolean", "($0 between $1 and $2)"),),
    "in": (_o("any any* > boolean", "($0 in ($rest))"),),
    "is_null": (_o("any > boolean", "($0 is null)"),),
    "and": (_o("boolean boolean > boolean", "($0 and $1)"),),
    "or": (_o("boolean boolean > boolean", "($0 or $1)"),),
    "not": (_o("boolean > boolean", "(not $0)"),),
    "coalesce": (_o("any* > any", "coalesce($args)"),),
    "nullif": (_o("any any > any", "nullif($0, $1)"),),
    "least": (_o("any* > any", "least($args)"),),
    "greatest": (_o("any* > any", "greatest($args)"),),
}
_TEXT = {
    **{name: (_o("text > text", f"{name}($0)"),) for name in ("lower", "upper")},
    **{
        name: (_o("text > text", f"{name}($0)"), _o("text text > text", f"{name}($0, $1)"))
        for name in ("trim", "ltrim", "rtrim")
    },
    "length": (_o("text > integer", "length($0)"),),
    "substring": (
        _o("text integer > text", "try(substring($0, $1))"),
        _o("text integer integer > text", "try(substring($0, $1, $2))"),
    ),
    "left": (_o("text integer > text", "try(left($0, $1))"),),
    "right": (_o("text integer > text", "try(right($0, $1))"),),
    "replace": (_o("text text text > text", "replace($0, $1, $2)"),),
    "starts_with": (_o("text text > boolean", "starts_with($0, $1)"),),
    "ends_with": (_o("text text > boolean", "ends_with($0, $1)"),),
    "contains": (_o("text text > boolean", "contains($0, $1)"),),
    "like": (_o("text text > boolean", "($0 like $1)"),),
    "join": (_o("text text > text", "($0 || $1)"),),
    "concat": (_o("text* > text", "concat($args)"),),
}
_DATES = {
    **{part: _part(part) for part in (*DATE_PARTS, *TIME_PARTS)},
    "epoch": (_o("timestamp > float", "epoch($0)"),),
    "make_date": (
        _o(
            "integer integer integer > date",
            f"try(make_date({_YEAR_OF}, $1, $2))",
        ),
    ),
    **{f"date_diff_{part}": _difference(part) for part in DIFFERENCES},
    **{
        f"date_trunc_{part}": (_o("timestamp > timestamp", f"date_trunc('{part}', $0)"),)
        for part in TRUNCATIONS
    },
}
_CASTS = {
    "to_integer": (
        _o("float > integer", "try_cast($0 as bigint)"),
        _o("boolean > integer", "cast($0 as bigint)"),
        _o("text > integer", r"try_cast(regexp_extract($0, '^ *([+-]?\d+) *$', 1) as bigint)"),
    ),
    "to_float": (
        _o("integer > float", "cast($0 as double)"),
        _o("boolean > float", "cast($0 as double)"),
        _o("text > float", f"try_cast(regexp_extract($0, '^ *({_NUMBER}) *$', 1) as double)"),
    ),
    "to_text": (
        _o("integer > text", "cast($0 as varchar)"),
        _o("boolean > text", "cast($0 as varchar)"),
        _o("date > text", "cast($0 as varchar)"),
        _o("timestamp > text", "cast($0 as varchar)"),
    ),
    "to_boolean": (
        _o("integer > boolean", "($0 <> 0)"),
        _o("float > boolean", "($0 <> 0)"),
        _o(
            "text > boolean",
            "try_cast(regexp_extract($0, '^(?i:true|false|t|f|yes|no|y|n|1|0)$') as boolean)",
        ),
    ),
    "to_date": (
        _o("timestamp > date", "cast($0 as date)"),
        _o("text > date", f"try_cast(regexp_extract($0, '^{_DATE}$') as date)"),
    ),
    "to_timestamp": (
        _o("date > timestamp", "cast($0 as timestamp)"),
        _o(
            "text > timestamp",
            f"try_cast(regexp_extract($0, '^{_DATE}(?:[ T]{_CLOCK})?$') as timestamp)",
        ),
    ),
}
OPERATIONS: dict[str, tuple[Overload, ...]] = {
    **_ARITHMETIC,
    **_LOGIC,
    **_TEXT,
    **_DATES,
    **_CASTS,
}
"""Every operation by name; `case` (conditions and values in turn, then `else`) stands beside."""

FUNCTIONS: dict[str, str] = {
    **{name: name for name in ("abs", "sign", "floor", "ceil", "trunc", "round")},
    **{name: name for name in ("ln", "log2", "log10", "exp", "sqrt", "pow")},
    **{name: name for name in ("isnan", "isinf", "isfinite", "mod", "make_date", "epoch")},
    **{name: name for name in ("coalesce", "nullif", "least", "greatest", *_TEXT)},
    **{part: part for part in (*DATE_PARTS, *TIME_PARTS)},
    "ceiling": "ceil",
    "log": "log10",
    "power": "pow",
    "ifnull": "coalesce",
    "len": "length",
    "substr": "substring",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "dayofmonth": "day",
    "weekday": "dayofweek",
    "weekofyear": "week",
}
"""What an expression calls, and the operation that it means."""
for _operator in ("like", "join"):
    del FUNCTIONS[_operator]

PART_NAMES: dict[str, str] = {
    **{part: part for part in (*DATE_PARTS, *TIME_PARTS, "epoch")},
    "dow": "dayofweek",
    "doy": "dayofyear",
    "weekday": "dayofweek",
    "dayofmonth": "day",
}
"""The parts that `extract(PART from x)` and `date_part('PART', x)` know."""
