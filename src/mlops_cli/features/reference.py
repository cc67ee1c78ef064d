"""The page that lists what a row expression may use, made from the table of operations."""

from __future__ import annotations

from collections.abc import Iterable

from mlops_cli.features.operations import (
    DIFFERENCES,
    FUNCTIONS,
    OPERATIONS,
    PART_NAMES,
    TRUNCATIONS,
    Overload,
)

_HEAD = """# Row expressions

A row feature (`features.row`) and a target (`data.target: "name = expression"`) are **one scalar
expression of one row**, in DuckDB's dialect, from the closed set below. It is computed by DuckDB
for tables and by the server for requests; both give the same number, and tests hold them to it,
operation by operation.

This page is made from the code, and a test holds it to that.

## Types

`boolean`, `integer` (64 bits), `float` (64 bits), `text`, `date` and `timestamp` (UTC). A column
has its contract's type; a number with a point or an exponent is a float, without one an integer
(there are no decimals). An integer becomes a float, and a date a timestamp, where one is needed;
everything else takes a cast. `'2013-01-01'` beside a date or a timestamp is one.

A column whose name is no plain word stands in double quotes: `"unit price (€)" * "no. of units"`;
text stands in single ones.

## What cannot be computed is null

An overflow of 64 bits, `x // 0`, `x % 0` of integers, a cast that fails, `make_date` of a day that
is not: each gives null, and null goes on as everywhere in SQL. `1 / 0` is infinite and `0 / 0` NaN.
NaN equals NaN and is above every number. A feature that is null, NaN, infinite or beyond a 32-bit
float is missing. `-5 // 2` is -2, `-5 % 2` is -1, `round(2.5)` is 3.

## Operators

`+ - * / // % ** ^`, `= <> < <= > >=`, `and or not`, `||`, `between`, `in (...)`, `is [not] null`,
`is [not] true`, `is [not] distinct from`, `like` (a literal pattern of `%` and `_`),
`case ... when ... then ... else ... end`, `if(condition, a, b)`.

Casts: `cast(x as T)`, `try_cast(x as T)` and `x::T`, all the same; `T` is `bigint` (or `integer`),
`double` (or `float`), `varchar` (or `text`), `boolean`, `date`, `timestamp`. From text: numbers in
decimal notation, `true`/`false`/`t`/`f`/`yes`/`no`/`y`/`n`/`1`/`0`, ISO 8601 without a zone.
A float has no cast to text.

## Functions

| function | takes | gives |
|---|---|---|
"""
_TAIL = """
## What is refused, and why

Windows, aggregates and subqueries look at other rows, and a server sees one row. `random()` is
another number every time; `now()` and its like are not part of a row. Functions that are not
listed are refused, too: the server could not promise DuckDB's own result.
"""


def expressions_page() -> str:
    """The content of docs/reference/expressions.md."""
    lines = [_line(name, OPERATIONS[op]) for name, op in sorted(FUNCTIONS.items())]
    lines += [
        "| `round(x, n)` | float and a whole number from -15 to 15 | float |",
        "| `extract(PART from x)`, `date_part('PART', x)` | "
        f"PART: {_list(PART_NAMES)} | what the part's function gives |",
        f"| `date_diff('UNIT', a, b)` | UNIT: {_list(DIFFERENCES)}; boundaries crossed | integer |",
        f"| `date_trunc('UNIT', x)` | UNIT: {_list(TRUNCATIONS)} | timestamp |",
    ]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _line(name: str, overloads: tuple[Overload, ...]) -> str:
    takes = " or ".join(f"({_takes(o)})" for o in overloads)
    gives = " or ".join(dict.fromkeys(o.result for o in overloads))
    return f"| `{name}` | {takes} | {gives.replace('any', 'the same')} |"


def _takes(overload: Overload) -> str:
    return ", ".join(overload.args) + (", ..." if overload.repeats else "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
