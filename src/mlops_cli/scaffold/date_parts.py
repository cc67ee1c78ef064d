"""What a moment says to a model: year, month, weekday, hour and so on, where it can be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.features.leakage import predictive_power
from mlops_cli.scaffold.columns import CHANCE_POWER, LEAK, LeftOut
from mlops_cli.scaffold.target import Target, readable
from mlops_cli.tables.base import ROW, Engine, quote

UNSEEN = 0.01  # of the rows after the training part: a leap day may be new
TOLD = 0.7  # of a part's entropy: a column that tells so much of it makes it superfluous
ENOUGH = {"month": 365, "dayofyear": 725}  # days of training: before, a part is a stretch of time
TRAINING = 0.6  # of the rows, by time
_ROWS = 50_000  # looked at
_EACH = 20  # rows of each value of a column that is compared with a part
_MOST = 2000  # values of such a column
_TARGET, _DAY, _PART = "__target__", "__day__", "__part_"
_FUNCTIONS = {
    "year": ("year({})", "the year"),
    "month": ("month({})", "1 to 12"),
    "dayofyear": ("dayofyear({})", "1 to 366"),
    "weekday": ("isodow({})", "1 is Monday, 7 Sunday"),
    "hour": ("hour({})", "0 to 23, UTC"),
}
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DatePart:
    """A feature of `features.row`: its name, its expression, and what its values are."""

    name: str
    expression: str
    values: str


@dataclass(frozen=True, slots=True)
class DateParts:
    """The parts of a moment to learn from, and those left out, each with the reason."""

    taken: tuple[DatePart, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


def date_parts(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    *,
    task: Task,
    moment: str,
    is_time: bool,
    features: Sequence[str],
) -> DateParts:
    """The parts of the column `moment` to learn from beside the columns `features`.

    Where rows are split by it (`is_time`), a part stays out whose values after the training part
    are new: no model can have learned them. Elsewhere one stays out that tells nothing of the
    target, unless there is nothing else to learn from. So does everywhere a part that has one
    value only, or that a column tells already.
    """
    source = readable(moment, table.types)
    if source is None:
        return DateParts()
    # A year to come is none that was learned; a year of birth tells of a person at any time.
    unfit = {"year"} if is_time else set()
    unfit |= {"hour"} if table.types[moment] != "timestamp" else set()
    kinds = [k for k in _FUNCTIONS if k not in unfit]
    columns = [n for n in features if _is_comparable(table, n)]
    sample = _sample(engine, path, table, target, moment, kinds, columns)
    power = predictive_power(sample.select([_TARGET, *(_PART + k for k in kinds)]), _TARGET, task)
    least = 0.0 if is_time or not features else CHANCE_POWER[task]
    parts = {k: _codes(sample[_PART + k]) for k in kinds}
    known = {n: _codes(sample[n]) for n in columns}
    days = np.asarray(sample[_DAY].combine_chunks()).astype(np.int64)
    taken: list[DatePart] = []
    left: list[LeftOut] = []
    for kind in kinds:
        name = _free(f"{moment}_{kind}", table)
        reason = (
            _superfluous(kind, parts, known)
            or (_unseen(parts[kind]) if is_time else None)
            or _too_few(kind, days, is_time)
            or _by_power(power[_PART + kind], least)
        )
        if reason:
            left.append(LeftOut(name, reason))
            continue
        expression, values = _FUNCTIONS[kind]
        taken.append(DatePart(name, expression.format(source), values))
        known[name] = parts[kind]
    return DateParts(tuple(taken), tuple(left))


def _is_comparable(table: TableStatistics, name: str) -> bool:
    column = table.columns[name]
    plain = column.type in ("text", "integer") or column.whole
    return plain and column.distinct <= min(_MOST, table.rows / _EACH)


def _sample(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    moment: str,
    kinds: Sequence[str],
    columns: Sequence[str],
) -> pa.Table:
    """Rows in the order of the moment: parts, the day since 1970, columns and the target."""
    time = quote(moment)
    share = min(1.0, _ROWS / table.rows)
    chosen = f"({ROW} * 2654435761) % 4294967296 < {int(share * 4294967296)}"
    cells = [f"{_FUNCTIONS[k][0].format(time)} as {_PART}{k}" for k in kinds]
    cells += [f"date_diff('day', date '1970-01-01', {time}::date) as {_DAY}"]
    cells += [*(quote(n) for n in columns), f"{target.sql} as {_TARGET}"]
    return engine.arrow(
        f"select {', '.join(cells)} from {engine.typed(path, table.forms)} where {time} is not "
        f"null and {target.sql} is not null and {chosen} order by {time}, {ROW}"
    )


def _superfluous(kind: str, parts: Mapping[str, Codes], known: Mapping[str, Codes]) -> str | None:
    part = parts[kind]
    if not len(part) or part.min() == part.max():
        return "it has one value only"
    for name, codes in known.items():
        if _told(part, codes) >= TOLD:
            return f"{name} tells it already"
    return _told_by_two(kind, parts, known)


def _told_by_two(kind: str, parts: Mapping[str, Codes], known: Mapping[str, Codes]) -> str | None:
    """A month and a day tell the day of the year, and in a single year the weekday."""
    if kind not in ("dayofyear", "weekday"):
        return None
    months = [n for n, c in known.items() if c is not parts["month"]]
    months = [n for n in months if _told(parts["month"], known[n]) >= TOLD]
    for month in months[:1]:
        for name, codes in known.items():
            both = np.unique(_joint(known[month], codes), return_inverse=True)[1]
            few = (both.max() + 1) * _EACH <= len(both)
            if name != month and few and _told(parts[kind], both) >= TOLD:
                return f"{month} and {name} tell it already"
    return None


def _joint(a: Codes, b: Codes) -> Codes:
    return np.asarray(a * (b.max() + 1) + b)


def _told(part: Codes, codes: Codes) -> float:
    """The share of a part's entropy that a column takes away (Theil's U), 0 to 1."""
    own = _entropy(part)
    if not own:
        return 0.0
    both = _entropy(np.unique(_joint(codes, part), return_inverse=True)[1])
    return 1.0 - (both - _entropy(codes)) / own


def _entropy(codes: Codes) -> float:
    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _unseen(part: Codes) -> str | None:
    first = round(len(part) * TRAINING)
    new = ~np.isin(part[first:], part[:first])
    share = new.mean() if len(new) else 0.0
    if share <= UNSEEN:
        return None
    return f"{share:.0%} of the rows after the training part have one that training has not seen"


def _too_few(kind: str, days: Codes, is_time: bool) -> str | None:
    if kind == "weekday":
        months = np.unique(days.astype("datetime64[D]").astype("datetime64[M]"))
        return "no month has more than one day" if len(np.unique(days)) <= len(months) else None
    learned = days[: round(len(days) * TRAINING)] if is_time else days
    if (span := int(learned[-1] - learned[0])) < ENOUGH.get(kind, 0):
        return f"training has {span} days, in which each comes once: it is a date, no season"
    return None


def _by_power(power: float, least: float) -> str | None:
    if power >= LEAK:
        return "it alone predicts the target"
    return "it tells nothing of the target" if power < least else None


def _free(name: str, table: TableStatistics) -> str:
    taken = {column.lower() for column in (*table.columns, *table.skipped)}
    while name.lower() in taken:
        name += "_"
    return name


def _codes(column: pa.ChunkedArray) -> Codes:
    """A number for each distinct value; null is one, too."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    return np.asarray(encoded.indices).astype(np.int64)
