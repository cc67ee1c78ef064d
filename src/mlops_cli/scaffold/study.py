"""What a data file says about itself: everything that `init` guesses, each guess with its why."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_cli.bundle.manifest import Task
from mlops_cli.contracts.infer import infer_contract
from mlops_cli.contracts.model import Contract
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.errors import DataError, UsageError
from mlops_cli.scaffold.advice import advice
from mlops_cli.scaffold.columns import MOMENT, Choice, LeftOut, choose_columns
from mlops_cli.scaffold.date_parts import TRAINING, DateParts, date_parts
from mlops_cli.scaffold.keys import candidate_keys
from mlops_cli.scaffold.positive import Positive, positive_of
from mlops_cli.scaffold.subjects import Subject, find_subjects
from mlops_cli.scaffold.target import Target, TaskGuess, guess_task, read_target
from mlops_cli.scaffold.times import TimeGuess, guess_time, moved_target, split_warning
from mlops_cli.scoring.names import free_names
from mlops_cli.tables.base import DURATION, Engine

_NAMED = 60  # features that a terminal still shows well; the result lists all


@dataclass(frozen=True, slots=True)
class Guess:
    """Something that was inferred, and why."""

    what: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Study:
    """A file's contract, target, task, positive class (of two), time, features and keys.
    `subject` names whom a row is about where several rows have one, `event` the row itself.
    """

    contract: Contract
    target: Target
    task: Task
    positive: Positive | None
    time: str | None
    choice: Choice
    parts: DateParts
    keys: tuple[tuple[str, ...], ...]
    subject: str | None
    event: tuple[str, ...]
    guesses: tuple[Guess, ...]
    warnings: tuple[str, ...]

    @property
    def key(self) -> str | None:
        """The column whose groups stay together, where rows are not split by time."""
        return self.subject if self.time is None else None

    @property
    def features(self) -> tuple[str, ...]:
        """What the model sees: columns, then parts of a moment."""
        return (*self.choice.features, *(part.name for part in self.parts.taken))


def study_file(
    engine: Engine,
    path: Path,
    *,
    target: str,
    time: str | None,
    formats: Mapping[str, str] | None = None,
) -> Study:
    """Study a CSV or Parquet file of which `target` (a column, or `name = expression`) is learned.

    `formats` say how dates are written, by column. Raises `UsageError` for a target, time, format
    or expression that the file has no columns for, `DataError` for a file that cannot be read or
    leaves nothing to learn.
    """
    times = [time] if time else []
    contract, table = infer_contract(engine, path, times=times, formats=formats)
    for name in (*times, *(formats or {})):
        _check_time(path, table, name)
    read = read_target(engine, path, table, target)
    task = guess_task(read)
    if task.task != "regression" and not _is_duration(engine, path, read):
        contract = _with_classes(contract, read)
    subjects = find_subjects(engine, path, table, read)
    about = {s.name: f"it names whom a row is about: {s.count} in {s.rows} rows" for s in subjects}
    choice = choose_columns(engine, path, table, read, task.task, about)
    subject = subjects[0].name if subjects else None
    order = _time(engine, path, table, read, time, subject)
    chosen = order.name if order else None
    parts = _parts(engine, path, table, read, task.task, order, choice)
    if not choice.features and not parts.taken:
        raise _nothing_to_learn_from(path, read, order, (*choice.left_out, *parts.left_out))
    keys = candidate_keys(engine, path, table, chosen)
    positive = _positive(engine, path, table, read, task.task)
    study = Study(
        contract=contract,
        target=read,
        task=task.task,
        positive=positive,
        time=chosen,
        choice=choice,
        parts=parts,
        keys=keys,
        subject=subject,
        event=_event(keys, choice),
        guesses=(),
        warnings=(
            *choice.warnings,
            *(remark.text for remark in table.remarks if remark.doubt),
            *(_about_subject(subjects[0]) if subjects and chosen else ()),
            *_about_time(table, chosen),
            *_about_split(engine, path, table, read, chosen),
            *_about_names(table, read, task.task),
            *advice(engine, path, table, read, task=task.task),
        ),
    )
    return replace(study, guesses=tuple(_guesses(study, table, task, order)))


def _guesses(
    study: Study, table: TableStatistics, task: TaskGuess, order: TimeGuess | None
) -> Iterator[Guess]:
    yield Guess("task", task.task, task.why)
    if study.positive:
        yield Guess("positive", study.positive.label, study.positive.why)
    if order:
        yield Guess("time" if order.name else "no time", order.name or _names(order), order.why)
    for key in study.keys:
        yield Guess("names a row", ", ".join(key), "no two rows have the same")
    if study.subject:
        yield Guess("subject", study.subject, "whom a row is about: several rows have the same")
    if study.key:
        yield Guess("split", f"by {study.key}", "rows of one are alike: they stay in one part")
    for remark in table.remarks:
        if not remark.doubt:
            yield Guess("read", remark.column, remark.text)
    yield Guess("features", _named(study.features), "what is left of the columns")
    for column in (*study.choice.left_out, *study.parts.left_out):
        yield Guess("left out", column.name, column.reason)


def _names(order: TimeGuess) -> str:
    return ", ".join(order.others)


def _time(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    time: str | None,
    subject: str | None,
) -> TimeGuess | None:
    if time:
        return TimeGuess(time, "you said so")
    return guess_time(engine, path, table, target, subject)


def _parts(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    task: Task,
    order: TimeGuess | None,
    choice: Choice,
) -> DateParts:
    """Parts of the time, or of the one column that could have been it."""
    moments = [order.name] if order and order.name else list(order.others if order else ())
    known = {column.name: column.reason for column in choice.left_out}
    if len(moments) != 1 or known.get(moments[0]) != MOMENT:
        return DateParts()
    return date_parts(
        engine,
        path,
        table,
        target,
        task=task,
        moment=moments[0],
        is_time=order is not None and order.name is not None,
        features=choice.features,
    )


def _nothing_to_learn_from(
    path: Path, target: Target, order: TimeGuess | None, left_out: Sequence[LeftOut]
) -> DataError:
    hint = "bring columns that are known before the target is"
    if order and order.others and not order.name:
        hint = f"say --time {order.others[0]} where that is when a row happened"
    elif order and {column.name for column in left_out} > {order.name}:
        hint += (
            f" (the value of the row before, a holiday, a price), or more rows: of {order.name} "
            f"alone a month can be learned where the oldest {TRAINING:.0%} of the rows span a year"
        )
    return DataError(
        f"{path.name} has no column to learn {target.name!r} from: "
        + "; ".join(f"{c.name}: {c.reason}" for c in left_out)[:600],
        hint=hint,
    )


def _event(keys: Sequence[tuple[str, ...]], choice: Choice) -> tuple[str, ...]:
    """The shortest key that takes nothing from the features: what names a row itself."""
    free = (key for key in keys if not set(key) & set(choice.features))
    return next(free, ())


def _about_subject(subject: Subject) -> Iterator[str]:
    yield (
        f"{subject.rows} rows are about {subject.count} values of {subject.name}, and by time some "
        "of them are in training and in the hold-out alike: metrics tell how well these are known, "
        f"not how well new ones are predicted. `split: {{by: group, key: {subject.name}}}` holds "
        "out whole ones, whatever the time"
    )


def _about_split(
    engine: Engine, path: Path, table: TableStatistics, target: Target, time: str | None
) -> Iterator[str]:
    if time and (moved := moved_target(engine, path, table, target, time)):
        yield split_warning(target, time, moved)


def _about_names(table: TableStatistics, target: Target, task: Task) -> Iterator[str]:
    usual = {"binary": ("probability", "label"), "multiclass": ("label",), "regression": ("value",)}
    for name, given in free_names(usual[task], table.columns).items():
        if name != given:
            yield (
                f"the table has a column {name}: `mlops score` calls the prediction's own {given}"
            )


def _positive(
    engine: Engine, path: Path, table: TableStatistics, target: Target, task: Task
) -> Positive | None:
    if task != "binary":
        return None
    return positive_of(engine, engine.typed(path, table.forms), target, table.types)


def _named(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


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
    """Of a column that the command line names as a time, or by its format."""
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
