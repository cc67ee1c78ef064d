"""Aggregates: an expression of figures over the rows of a window, typed, and its SQL.

What stands around the figures, and what each is a figure of, are row expressions of the closed set:
both are read by the one parser of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from mlops_cli.errors import UsageError
from mlops_cli.expressions.tree import Node, ValueType, columns_of
from mlops_cli.features.expressions import parse
from mlops_cli.features.sql import render
from mlops_cli.features.typing import constant

_NUMBERS = ("integer", "float", "boolean")
_FIGURES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
    exp.First: "first",
    exp.Last: "last",
}
_KNOWN = "avg, count, count(distinct x), first, last, max, min, stddev, sum; filter (where ...)"
FACT, AT, NUMBER = "__fact__", "__at__", "__number__"  # of a row: whether it counts, when, which


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a window: a function of a value of each row (None: of the row itself)."""

    function: str
    argument: Node | None
    distinct: bool = False

    @property
    def type(self) -> ValueType:
        """What comes out."""
        if self.function == "count":
            return "integer"
        if self.function in ("sum", "avg", "stddev") or self.argument is None:
            return "float"
        return self.argument.type

    def sql(self, value: str, window: str) -> str:
        """The figure of the column `value` over the rows that count in the `window` of that name.

        The first and the last are those by time, then by place in the file, that are not null.
        """
        over = f"filter (where {FACT}) over {window}"
        match self.function:
            case "count" if self.argument is None:
                return f"count(*) {over}"
            case "count":
                return f"count({'distinct ' if self.distinct else ''}{value}) {over}"
            case "first" | "last":
                arg = "arg_min" if self.function == "first" else "arg_max"
                return f"{arg}({value}, ({AT}, {NUMBER})) {over}"
            case "stddev":
                return f"stddev_samp(cast({value} as double)) {over}"
            case "sum" | "avg":
                return f"{self.function}(cast({value} as double)) {over}"
            case function:
                return f"{function}({value}) {over}"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An expression of figures: `tree` is over columns named as `figures` are."""

    tree: Node
    figures: Mapping[str, Figure]

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that it reads, each once."""
        read = [columns_of(f.argument) for f in self.figures.values() if f.argument is not None]
        return tuple(dict.fromkeys(name for names in read for name in names))


def parse_aggregate(text: str, types: Mapping[str, ValueType]) -> Aggregate:
    """Read an aggregate of a table with columns of these types.

    Raises `UsageError` for a function that is none of the known ones, a figure of a figure, a
    column outside of any, and types that do not fit.
    """
    try:
        whole = DuckDB().parse(text)
        if len(whole) != 1 or whole[0] is None:
            raise UsageError("one expression is wanted", hint="such as avg(x)")
        tree: exp.Expr = whole[0]
    except SqlglotError as e:
        said = " ".join(str(e).split())[:200]
        raise UsageError(f"`{text[:80]}` cannot be read: {said}", hint="such as avg(x)") from e
    figures: dict[str, Figure] = {}

    def named(node: exp.Expr) -> exp.Expr:
        where = node.expression.this if isinstance(node, exp.Filter) else None
        figure = node.this if isinstance(node, exp.Filter) else node
        if not isinstance(figure, exp.AggFunc):
            return node
        name = f"figure_{len(figures)}"
        figures[name] = _where(_figure(figure, types), where, types)
        return exp.column(name, quoted=True)

    replaced = tree.transform(named)
    if not figures:
        raise UsageError(f"`{text[:80]}` is no aggregate", hint=f"use one of {_KNOWN}")
    known = {name: figure.type for name, figure in figures.items()}
    stray = [c.name for c in replaced.find_all(exp.Column) if c.name not in known]
    if stray:
        raise UsageError(
            f"`{stray[0]}` stands outside of any aggregate", hint=f"use one of {_KNOWN} of it"
        )
    return Aggregate(parse(replaced.sql(dialect="duckdb"), known), figures)


def _figure(node: exp.AggFunc, types: Mapping[str, ValueType]) -> Figure:
    function = _FIGURES.get(type(node))
    if function is None:
        raise UsageError(
            f"`{node.sql(dialect='duckdb')[:60]}` is none of the aggregates", hint=_KNOWN
        )
    if any(other is not node for other in node.find_all(exp.AggFunc)):
        raise UsageError(
            f"`{node.sql(dialect='duckdb')[:60]}`: an aggregate of an aggregate", hint=_KNOWN
        )
    inside = node.this
    distinct = isinstance(inside, exp.Distinct)
    if isinstance(inside, exp.Distinct):
        inside = inside.expressions[0]
    if function == "count" and isinstance(inside, exp.Star):
        return Figure("count", None)
    argument = parse(inside.sql(dialect="duckdb"), types)
    if function in ("sum", "avg", "stddev") and argument.type not in _NUMBERS:
        raise UsageError(
            f"{function} is of numbers, and `{inside.sql(dialect='duckdb')[:60]}` is "
            f"{argument.type}",
            hint="count, min, max, first and last are of anything",
        )
    return Figure(function, argument, distinct)


def _where(figure: Figure, where: exp.Expr | None, types: Mapping[str, ValueType]) -> Figure:
    """The figure of those rows alone for which `where` is true: of all others its value is null."""
    if where is None:
        return figure
    text = where.sql(dialect="duckdb")
    condition = parse(text, types)
    if condition.type != "boolean":
        raise UsageError(
            f"filter (where {text[:60]}) is {condition.type}, and has to be true or false",
            hint="such as count(*) filter (where x > 0)",
        )
    value = figure.argument or constant(True, "boolean")
    kept = Node("case", value.type, (condition, value, constant(None, value.type)))
    return replace(figure, argument=kept)


def aggregated_sql(
    events: str,
    facts: str,
    by: Sequence[str],
    span: tuple[int, int],
    made: tuple[str, Aggregate],
    *,
    row: str,
    time: str,
) -> str:
    """A query that gives every row of `events` with one more column: what `made` names.

    `facts` has the columns `by`, those that the aggregate reads, `AT` and `NUMBER`; `events` has
    `by`, the number `row` and the moment `time`. `span` are lag and window in microseconds: rows
    count whose moment is in (time - lag - window, time - lag]. Where a key or the moment is null
    nothing is known, and the column is null. One sort by key and moment, linear in both tables.
    """
    name, aggregate = made
    keys = ", ".join(by)
    lag, window = span
    figures = list(aggregate.figures.items())
    values = [
        f"{render(f.argument) if f.argument is not None else 'null'} as value_{i}"
        for i, (_, f) in enumerate(figures)
    ]
    nothing = [f"null as value_{i}" for i in range(len(figures))]
    cells = [f'{f.sql(f"value_{i}", "known")} as "{n}"' for i, (n, f) in enumerate(figures)]
    told = " and ".join(f"{key} is not null" for key in by)
    frame = (
        f"range between interval {lag + window - 1} microseconds preceding "
        f"and interval {lag} microseconds preceding"
    )
    return (
        f"(with seen as materialized (select * from {events}), together as ("
        f"select {keys}, {AT}, {NUMBER}, true as {FACT}, {', '.join(values)} from {facts} "
        f"where {told} and {AT} is not null "
        f"union all by name select {keys}, {time} as {AT}, {row} as {NUMBER}, false as {FACT}, "
        f"{', '.join(nothing)} from seen where {told} and {time} is not null), "
        f"figures as (select {NUMBER}, {FACT}, {', '.join(cells)} from together "
        f"window known as (partition by {keys} order by {AT} {frame})) "
        f"select seen.*, made.{name} from seen left join (select {NUMBER}, "
        f"{render(aggregate.tree)} as {name} from figures where not {FACT}) made "
        f"on seen.{row} = made.{NUMBER})"
    )
