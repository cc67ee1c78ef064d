"""What a data file says about itself: everything that `init` guesses, each guess with its why."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.errors import DataError, UsageError
from mlops_cli.scaffold.advice import advice
from mlops_cli.scaffold.columns import Choice, choose_columns
from mlops_cli.scaffold.keys import candidate_keys
from mlops_cli.scaffold.positive import Positive, positive_of
from mlops_cli.scaffold.target import Target, Task, guess_task, read_target
from mlops_cli.tables.base import DURATION, Engine, quote

_NAMED = 60  # features that a terminal still shows well; the result lists all


@dataclass(frozen=True, slots=True)
class Guess:
    """Something that was inferred, and why."""

    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Study:
    """A file's contract, target, task, positive class (of two), time, features and keys."""

    contract: Contract
    target: Target
    task: Task
    positive: Positive | None
    time: str | None
    choice: Choice
    keys: tuple[tuple[str, ...], ...]
    guesses: tuple[Guess, ...]
    warnings: tuple[str, ...]


def study_file(engine: Engine, path: Path, *, target: str, time: str | None) -> Study:
    """Study a CSV or Parquet file of which `target` (a column, or `name = expression`) is learned.

    Raises `UsageError` for a target, time or expression that the file has no columns for,
    `DataError` for a file that cannot be read or leaves nothing to learn.
    """
    contract, table = infer_contract(engine, path, times=[time] if time else [])
    if time is not None:
        _check_time(path, table, time)
    read = read_target(engine, path, table, target)
    task = guess_task(read)
    if task.task != "regression" and not _is_duration(engine, path, read):
        contract = _with_classes(contract, read)
    choice = choose_columns(engine, path, table, read, task.task)
    if not choice.features:
        raise DataError(
            f"{path.name} has no column to learn {read.name!r} from: "
            + "; ".join(f"{c.name}: {c.reason}" for c in choice.left_out)[:600],
            hint="bring columns that are known before the target is",
        )
    order = Guess("time", time, "you said so") if time else _guess_time(engine, path, table, read)
    chosen = order.value if order and order.what == "time" else None
    keys = candidate_keys(engine, path, table, chosen)
    positive = _positive(engine, path, table, read, task.task)
    guesses = [
        Guess("task", task.task, task.why),
        *([Guess("positive", positive.label, positive.why)] if positive else []),
        *([order] if order else []),
        *(Guess("key", ", ".join(key), "no two rows have the same") for key in keys),
        Guess("features", _named(choice.features), "what is left of the columns"),
        *(Guess("left out", c.name, c.reason) for c in choice.left_out),
    ]
    return Study(
        contract=contract,
        target=read,
        task=task.task,
        positive=positive,
        time=chosen,
        choice=choice,
        keys=keys,
        guesses=tuple(guesses),
        warnings=(
            *choice.warnings,
            *_about_time(table, chosen),
            *advice(engine, path, table, read, task=task.task),
        ),
    )


def _positive(
    engine: Engine, path: Path, table: TableStatistics, target: Target, task: Task
) -> Positive | None:
    if task != "binary":
        return None
    return positive_of(engine, engine.typed(path, table.types), target, table.types)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _guess_time(engine: Engine, path: Path, table: TableStatistics, target: Target) -> Guess | None:
    """The one column of moments without nulls that the target is not made of."""
    moments = [
        name
        for kind in ("timestamp", "date")
        for name, c in table.columns.items()
        if c.type == kind and not c.nulls and c.distinct > 1 and name not in target.inputs
    ]
    stamps = [name for name in moments if table.types[name] == "timestamp"]
    for few, why in ((stamps, "timestamps"), (moments, "dates")):
        if len(few) == 1:
            return Guess("time", few[0], f"the only column of {why} without gaps")
    in_order = [name for name in moments if _is_in_order(engine, path, table, name)]
    if len(in_order) == 1:
        return Guess("time", in_order[0], "the rows are in its order")
    if moments:
        return Guess("no time", ", ".join(moments), "any of these could be it: say --time COLUMN")
    return None


def _is_in_order(engine: Engine, path: Path, table: TableStatistics, name: str) -> bool:
    moment = quote(name)
    relation = engine.typed(path, {name: table.types[name]})
    back = engine.rows(
        f"select count(*) from (select {moment} < lag({moment}) over (order by __row__) as back "
        f"from {relation}) where back"
    )
    return not back[0][0]


def _is_duration(engine: Engine, path: Path, target: Target) -> bool:
    natives = {c.name: c.native for c in engine.columns(path)} if target.type == "float" else {}
    return natives.get(target.name, "").startswith(DURATION)


def _with_classes(contract: Contract, target: Target) -> Contract:
    """Classes that a file holds as 0.0 and 1.0 are whole numbers."""
    column = contract.columns.get(target.name)
    if target.expression or column is None or column.type != "float" or not target.whole:
        return contract
    changed = column.model_copy(update={"type": "integer"})
    return contract.model_copy(update={"columns": {**contract.columns, target.name: changed}})


def _check_time(path: Path, table: TableStatistics, time: str) -> None:
    if time not in table.columns:
        near = difflib.get_close_matches(time, table.columns, n=1, cutoff=0)
        raise UsageError(
            f"the time {time!r} is no column of {path.name}; the nearest is {near[0]!r}",
            hint=f"columns: {', '.join(list(table.columns)[:30])}",
        )
    if table.columns[time].nulls == table.rows:
        raise DataError(
            f"the column {time!r} of {path.name} is to be a time, but it is null in every row",
            hint="name another column, or none: rows are then split at random",
        )


def _about_time(table: TableStatistics, time: str | None) -> Iterator[str]:
    if time is None:
        return
    if gaps := table.columns[time].nulls:
        yield f"{gaps} rows have no {time}: validate leaves them out, nothing can place them"
    if table.columns[time].distinct == 1:
        yield f"{time} is the same in every row: the newest rows cannot be told from the oldest"
