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
from mlops_cli.tables.base import OWN, ROW

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
FACT, AT, NUMBER = f"{OWN}fact", "__at__", f"{OWN}number"  # of a row: is it a fact, when, which


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

    @property
    def value(self) -> str:
        """SQL of a row's value; it is never null where the row itself is what is counted."""
        return render(self.argument) if self.argument is not None else "true"

    def sql(self, value: str, window: str) -> str:
        """The figure of the column `value` in the `window` of that name; a null does not count.

        The first and the last are those by time, then by place in the file, that are not null.
        """
        match self.function:
            case "count":
                figure = f"count({'distinct ' if self.distinct else ''}{value})"
            case "first":
                figure = f"arg_min({value}, ({AT}, {NUMBER}))"
            case "last":
                figure = f"arg_max({value}, ({AT}, {NUMBER}))"
            case "stddev":
                figure = f"stddev_samp(cast({value} as double))"
            case "sum" | "avg":
                figure = f"{self.function}(cast({value} as double))"
            case function:
                figure = f"{function}({value})"
        return f"{figure} over {window}"


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


def parse_aggregate(text: str, types: Mapping[str, ValueType], prefix: str = "") -> Aggregate:
    """Read an aggregate of a table with columns of these types; names of figures have the prefix.

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
        name = f"{prefix}figure_{len(figures)}"
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


@dataclass(frozen=True, slots=True)
class Windowed:
    """An aggregate over a window, and the column (quoted) that it becomes; in microseconds."""

    column: str
    aggregate: Aggregate
    lag: int
    window: int

    @property
    def frame(self) -> str:
        """SQL of the rows in (t - lag - window, t - lag]."""
        return (
            f"range between interval {self.lag + self.window - 1} microseconds preceding "
            f"and interval {self.lag} microseconds preceding"
        )


def aggregated_sql(
    events: str, facts: str | None, by: Sequence[str], made: Sequence[Windowed], *, time: str
) -> str:
    """A relation of every row of `events` with one more column for each of `made`.

    Both have the columns `by` and `ROW`, and are of the moments `AT` in `facts`, which has the
    columns that the aggregates read, and `time` in `events`; no two figures have one name. Without
    `facts` the events are their own, and have those columns, too. Where a key or the moment is null
    nothing is known, and the columns are null. One sort by key and moment is that of all windows;
    what an event has goes through it, so that nothing is joined afterwards.
    """
    keys = ", ".join(by)
    told = " and ".join(f"{name} is not null" for name in (*by, AT))
    values: dict[str, str] = {}  # the column of each value by its SQL
    windows, cells, ready = [], [], []
    figures: list[str] = []
    for i, one in enumerate(made):
        windows.append(f"known_{i} as (partition by {keys} order by {AT} {one.frame})")
        for name, figure in one.aggregate.figures.items():
            value = values.setdefault(figure.value, f"{OWN}value_{len(values)}")
            cells.append(f"{figure.sql(value, f'known_{i}')} as {name}")
        ready.append(f"case when {told} then {render(one.aggregate.tree)} end as {one.column}")
        figures += one.aggregate.figures
    read = ", ".join(f"{sql} as {name}" for sql, name in values.items())
    spent = ", ".join([FACT, AT, NUMBER, *values.values(), *figures])
    timed = f"select *, {time} as {AT}, {ROW} as {NUMBER}, false as {FACT}"
    rows = f"{timed}, {read} from {events}"
    if facts is not None:
        rows = (
            f"{timed} from {events} union all by name select {keys}, {AT}, {ROW} as {NUMBER}, "
            f"true as {FACT}, {read} from {facts} where {told}"
        )
    return (
        f"(select * exclude ({spent}), {', '.join(ready)} from (select *, {', '.join(cells)} "
        f"from ({rows}) window {', '.join(windows)}) where not {FACT})"
    )
