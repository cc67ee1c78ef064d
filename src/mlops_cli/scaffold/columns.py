"""Which columns the model may see: what knows the target, names a row or says nothing stays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from mlops_cli.bundle.manifest import Task
from mlops_cli.contracts.statistics import ColumnStatistics, TableStatistics
from mlops_cli.features.leakage import exact_combination, predictive_power, rises
from mlops_cli.scaffold.target import Target
from mlops_cli.tables.base import ROW, Engine, is_nan, quote

SAMPLE = 50_000  # rows that the search for leaks looks at
LEAK, SUSPECT = 0.99, 0.90
CHANCE = 0.01  # below it, nulls that stand only where the target's do are no accident
UNIQUE = 0.95  # of the values differ: a name of a row
TWICE = 10  # values that chance would repeat: where hardly any is, each was given out once
TOO_MANY, TOO_RARE = 1000, 5  # categories, and rows of each
MOMENT = "a moment is no number: parts of it can be, under `row`"
_TARGET = "__target__"
CHANCE_POWER: Mapping[Task, float] = {"regression": 0.02, "binary": 0.55, "multiclass": 0.55}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that is no feature, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns to learn from, in the file's order; those left out; what looks odd but stays."""

    features: tuple[str, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...] = field(default=())


def choose_columns(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    task: Task,
    subjects: Mapping[str, str],
) -> Choice:
    """Choose the features of a table by what its columns hold, never by their names.

    `subjects` are columns that name whom a row is about, with the reason that says so.
    """
    sample = _sample(engine, path, table, target)
    known_with = _null_only_with_target(engine, path, table, target)
    power = predictive_power(sample, _TARGET, task)
    sums = _combinations(engine, path, table, target, sample)
    known = "the target is made of it" if target.expression else "it is the target"
    left: dict[str, str] = dict.fromkeys(target.inputs, known)
    for name, column in table.columns.items():
        reason = (
            known_with.get(name)
            or subjects.get(name)
            or _too_good(power.get(name, 0.0), task)
            or sums.get(name)
            or _tells_nothing(column, table.rows, rises(sample[name]), power.get(name, 0.0), task)
        )
        if reason and name not in left:
            left[name] = reason
    features = tuple(name for name in table.columns if name not in left)
    return Choice(
        features=features,
        left_out=tuple(LeftOut(n, left[n]) for n in table.columns if n in left),
        warnings=tuple(
            f"{n} alone predicts the target with {_score(power[n], task)}: is it known at the "
            "time of the event?"
            for n in features
            if power.get(n, 0.0) >= SUSPECT
        ),
    )


def _sample(engine: Engine, path: Path, table: TableStatistics, target: Target) -> pa.Table:
    # A multiplicative hash of the row number: the same rows every time, and no period of the
    # file's own (a day's 24 rows, say) is sampled at one phase only.
    share = min(1.0, SAMPLE / max(1, target.rows - target.nulls))
    chosen = f"({ROW} * 2654435761) % 4294967296 < {int(share * 4294967296)}"
    columns = ", ".join(quote(name) for name in table.columns)
    return engine.arrow(
        f"select {columns}, {target.sql} as {_TARGET} from {engine.typed(path, table.forms)} "
        f"where {target.sql} is not null and {chosen} order by {ROW}"
    )


def _null_only_with_target(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> Mapping[str, str]:
    """Columns that are null in some rows, and only where the target is null too."""
    if not target.nulls:
        return {}
    share = target.nulls / target.rows
    gaps = [n for n, c in table.columns.items() if c.nulls and share**c.nulls < CHANCE]
    if not gaps:
        return {}
    cells = ", ".join(
        f"count(*) filter (where {_missing(table.columns[n])} and {target.sql} is not null)"
        for n in gaps
    )
    alone = engine.rows(f"select {cells} from {engine.typed(path, table.forms)}")[0]
    return {
        name: f"null in {table.columns[name].nulls} rows, and only where the target is: it is "
        "known no earlier"
        for name, n in zip(gaps, alone, strict=True)
        if not n
    }


def _combinations(
    engine: Engine, path: Path, table: TableStatistics, target: Target, sample: pa.Table
) -> Mapping[str, str]:
    """Columns that add up exactly to the target, or to a number that it is made of."""
    others = [n for n in table.columns if n not in target.inputs]
    sources = {_TARGET: target.name} if target.type not in ("text", "date", "timestamp") else {}
    sources |= {n: n for n in target.inputs if table.types[n] in ("integer", "float")}
    found: dict[str, str] = {}
    for column, name in sources.items():
        terms = exact_combination(sample, column, others)
        for term in terms:
            with_others = ", ".join(t for t in terms if t != term)
            together = f" together with {with_others}" if with_others else ""
            found.setdefault(term, f"{name} is an exact sum of it{together}")
    return found


def _too_good(power: float, task: Task) -> str | None:
    return f"it alone predicts the target with {_score(power, task)}" if power >= LEAK else None


def _score(power: float, task: Task) -> str:
    return f"R² {power:.3f}" if task == "regression" else f"AUC {power:.3f}"


def _tells_nothing(
    column: ColumnStatistics, rows: int, rises: bool, power: float, task: Task
) -> str | None:
    present = rows - column.nulls
    if column.name.startswith("__"):
        return "names that begin with __ are used by the pipeline"
    if column.distinct == 0:
        return "it is null in every row"
    if _is_constant(column):
        return "it has one value only"
    if column.type in ("date", "timestamp"):
        return MOMENT
    if _is_identifier(column, present, rises=rises, mute=power < CHANCE_POWER[task]):
        return f"nearly every one of its {present} values differs: it names a row"
    if column.type != "text":
        return None
    if column.distinct > TOO_MANY:
        return f"{column.distinct} different texts, too many to learn from"
    if column.distinct > present / TOO_RARE:
        return f"{column.distinct} different texts in {present} rows: each is too rare"
    return None


def _is_constant(column: ColumnStatistics) -> bool:
    if column.nulls:
        return False
    one_number = column.low is not None and column.low == column.high
    infinite = column.infinite_low or column.infinite_high
    return column.distinct == 1 or (one_number and not infinite)


def _is_identifier(column: ColumnStatistics, present: int, *, rises: bool, mute: bool) -> bool:
    """Whether the column names rows: each number was given out once, or they rise, or are `mute`.

    Numbers that tell nothing of the target by themselves are amounts all the same where as many
    are repeated as chance repeats.
    """
    if column.distinct < UNIQUE * present:
        return False
    if column.type == "text":
        return True
    if not column.whole:
        return False
    if column.low is None or column.high is None:
        return column.type == "integer"
    width = column.high - column.low + 1
    repeated = present - column.distinct
    by_chance = present**2 / (2 * width)
    if rises or width <= 2 * present:
        return True
    return repeated < by_chance / 2 if by_chance >= TWICE else mute


def _missing(column: ColumnStatistics) -> str:
    name = quote(column.name)
    return f"({name} is null or {is_nan(name)})" if column.type == "float" else f"{name} is null"
