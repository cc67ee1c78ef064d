"""What is to be predicted: the target's type, the columns it is made of, and the task."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mlops_cli.bundle.manifest import Task
from mlops_cli.config.sections.data import DataConfig
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.errors import DataError, UsageError
from mlops_cli.expressions.tree import ValueType, columns_of
from mlops_cli.features.expressions import parse
from mlops_cli.features.sql import render
from mlops_cli.scaffold.number_like import number_like
from mlops_cli.tables.base import Engine, quote

FEW = 20  # as many whole numbers are still classes
MOST_CLASSES = 200
FEWEST = 8  # of these a fifth, rounded, is the two rows that each part needs


@dataclass(frozen=True, slots=True)
class Target:
    """The target: `sql` over a typed relation, and `inputs`, the columns that it is made of.

    `distinct` counts its values without null; `whole` says that every number is a whole one;
    `ends` are its least and its greatest value.
    """

    name: str
    sql: str
    expression: str | None
    type: ValueType
    inputs: tuple[str, ...]
    rows: int
    nulls: int
    distinct: int
    whole: bool
    ends: tuple[object, object]


@dataclass(frozen=True, slots=True)
class TaskGuess:
    """The task, and why."""

    task: Task
    why: str


def read_target(engine: Engine, path: Path, table: TableStatistics, text: str) -> Target:
    """Read what the target holds, from `COLUMN` or `NAME = EXPRESSION`.

    Raises `UsageError` for a name that is no column, for an expression that is none and for
    numbers that are written as text, `DataError` where nothing can be learned: all null, one value
    only, or hardly any rows.
    """
    try:
        config = DataConfig.model_validate({"table": path.name, "target": text})
    except ValidationError as e:
        key, said = e.errors()[0]["loc"][0], e.errors()[0]["msg"].removeprefix("Value error, ")
        given = ascii(path.name if key == "table" else text)
        raise UsageError(f"{given} cannot stand as `data.{key}`: {said}",
                         hint="rename the file" if key == "table" else None) from e  # fmt: skip
    name, expression = config.target_name, config.target_expression
    if expression is None:
        _check_column(path, table, name)
        inputs: tuple[str, ...] = (name,)
        sql, kind = quote(name), table.types[name]
    else:
        sql, kind, inputs = _read_expression(table, name, expression)
    relation = engine.typed(path, table.forms)
    whole = "bool_and(t = trunc(t))" if kind in ("integer", "float") else "false"
    nulls, distinct, is_whole, *ends = engine.rows(
        f"select count(*) filter (where t is null), count(distinct t), {whole}, min(t), max(t) "
        f"from (select {sql} as t from {relation})"
    )[0]
    target = Target(
        name,
        sql,
        expression,
        kind,
        inputs,
        table.rows,
        nulls,
        distinct,
        bool(is_whole),
        (ends[0], ends[1]),
    )
    _check_values(path, target)
    if kind == "text" and distinct > MOST_CLASSES:
        _check_amounts(engine, relation, target)
    return target


def readable(name: str, types: Mapping[str, ValueType]) -> str | None:
    """A column as an expression has it: plain, or quoted where it is a word of SQL's own."""
    for text in (name, quote(name)):
        with suppress(UsageError):
            if list(columns_of(parse(f"{text} is null", types))) == [name]:
                return text
    return None


def guess_task(target: Target) -> TaskGuess:
    """Binary for two values, multiclass for text and a few whole numbers, else regression.

    Raises `UsageError` for a date, for text with more values than classes make sense, and for two
    values that are numbers with a fraction: no class has such a name.
    """
    n = target.distinct
    if target.type in ("date", "timestamp"):
        raise UsageError(
            f"the target {target.name!r} is a {target.type}, which no model here predicts",
            hint="predict a number, such as --target \"days = date_diff('day', start, finish)\"",
        )
    if n == 2 and target.type == "float" and (target.expression or not target.whole):
        raise _no_classes(target)
    if n == 2:
        return TaskGuess("binary", "it has two values")
    if target.type == "text":
        if n > MOST_CLASSES:
            raise UsageError(
                f"the target {target.name!r} is text with {n} values: too many classes",
                hint='group them: --target "name = case when ... then ... end"',
            )
        return TaskGuess("multiclass", f"it is text with {n} values")
    by_hand = target.type == "float" and target.expression  # what is whole by chance is a number
    if target.whole and not by_hand and n <= FEW and target.rows >= 5 * n:
        return TaskGuess("multiclass", f"it has {n} whole numbers as values")
    return TaskGuess("regression", f"it is a number with {n} values")


def _no_classes(target: Target) -> UsageError:
    low, high = target.ends
    name = target.name if re.fullmatch(r"[A-Za-z_]\w*", target.name) else "y"
    source = target.expression or (target.name if name == target.name else quote(target.name))
    return UsageError(
        f"the target {target.name!r} has two values, {low} and {high}: two classes, and a class "
        "is a whole number, a text, true or false",
        hint=f"--target '{name}_is_high = {source} > {low}'",
    )


def _check_column(path: Path, table: TableStatistics, name: str) -> None:
    if name in table.columns:
        return
    if name in table.skipped:
        raise UsageError(
            f"the target {name!r} of {path.name} holds lists, records or bytes, which no model "
            "here predicts",
            hint="name a column of plain values",
        )
    near = difflib.get_close_matches(name, table.columns, n=1, cutoff=0)
    raise UsageError(
        f"the target {name!r} is no column of {path.name}; the nearest is {near[0]!r}",
        hint=f"columns: {', '.join(list(table.columns)[:30])}; "
        'or give an expression: --target "late = delay > 15"',
    )


def _read_expression(
    table: TableStatistics, name: str, expression: str
) -> tuple[str, ValueType, tuple[str, ...]]:
    if name in table.columns:
        raise UsageError(
            f"the target {name!r} is an expression, and a column has that name, too",
            hint="give the target another name",
        )
    try:
        node = parse(expression, table.types)
    except UsageError as e:
        raise UsageError(f"the expression of the target {name!r}: {e.message}", hint=e.hint) from e
    inputs = tuple(columns_of(node))
    if not inputs:
        raise UsageError(
            f"the expression of the target {name!r} reads no column",
            hint=f"columns: {', '.join(list(table.columns)[:30])}",
        )
    return render(node), node.type, inputs


def _check_amounts(engine: Engine, relation: str, target: Target) -> None:
    for _, example in number_like(engine, relation, {target.name: target.sql}):
        raise UsageError(
            f"the target {target.name!r} is text, though its {target.distinct} values look like "
            f"numbers, such as {example!r}",
            hint="write plain numbers (0.5, 1234.5) into the file; where they are plain already, "
            '--target "NAME = cast(COLUMN as double)" reads them',
        )


def _check_values(path: Path, target: Target) -> None:
    if target.distinct == 0:
        raise DataError(
            f"{path.name}: the target {target.name!r} is null in every row",
            hint="name another column, or an expression that has a value",
        )
    if target.distinct == 1:
        missing = f" and is missing in {target.nulls} of {target.rows} rows" if target.nulls else ""
        raise DataError(
            f"{path.name}: the target {target.name!r} has one value only{missing}: a constant "
            "leaves nothing to learn",
            hint="where missing is a class, write a word for it into the file"
            if missing
            else "take data in which at least two classes or values occur",
        )
    if (rows := target.rows - target.nulls) < FEWEST:
        raise DataError(
            f"{path.name} has {rows} rows with a target, and {FEWEST} are the fewest that can be "
            "split into training, validation and hold-out",
            hint="bring more rows; a model worth its name takes hundreds",
        )
