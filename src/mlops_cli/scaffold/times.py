"""When an event happened: the column that rows may be split by, unless the data speak against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.scaffold.target import Target
from mlops_cli.tables.base import ROW, Engine, quote

LIFETIME = timedelta(days=25 * 365)  # dates that lie further apart tell of persons and buildings
MOVED = 0.15  # of a class's share, between the training part and the hold-out
MOVED_SIGMAS = 0.5  # of a number's mean, in its standard deviations
SURE = 5.0  # standard errors
_CLASSES = 50


@dataclass(frozen=True, slots=True)
class TimeGuess:
    """The time column, or None; why so; and whether something could have been it."""

    name: str | None
    why: str
    others: tuple[str, ...] = ()


def guess_time(
    engine: Engine, path: Path, table: TableStatistics, target: Target, subject: str | None
) -> TimeGuess | None:
    """The one column of moments without nulls that the data do not speak against; None of none."""
    moments = [
        name
        for kind in ("timestamp", "date")
        for name, c in table.columns.items()
        if c.type == kind and not c.nulls and c.distinct > 1 and name not in target.inputs
    ]
    ordered = {name for name in moments if _is_in_order(engine, path, table, name)}
    against = {
        name: why
        for name in moments
        if (why := _against(engine, path, table, target, (name, subject), name in ordered))
    }
    left = [name for name in moments if name not in against]
    stamps = [name for name in left if table.types[name] == "timestamp"]
    for few, why in ((stamps, "timestamps"), (left, "dates")):
        if len(few) == 1:
            return TimeGuess(few[0], f"the only column of {why} without gaps")
    in_order = [name for name in left if name in ordered]
    if len(in_order) == 1:
        return TimeGuess(in_order[0], "the rows are in its order")
    if left:
        return TimeGuess(None, "any of these could be it: say --time COLUMN", tuple(left))
    if against:
        several = len(against) > 1
        said = "; ".join(f"{n}: {why}" if several else why for n, why in against.items())
        return TimeGuess(None, f"{said}; say --time COLUMN where it is one", tuple(against))
    return None


def moved_target(
    engine: Engine, path: Path, table: TableStatistics, target: Target, time: str
) -> str | None:
    """How the target differs between the parts of a split by `time`, in words; None where not."""
    parts = _parts(engine, path, table, target, time)
    if target.type in ("integer", "float") and target.distinct > 2:
        return _moved_mean(parts)
    return _moved_share(parts, target)


def split_warning(target: Target, time: str, moved: str) -> str:
    """What a split by `time` does to the target, and what to do about it."""
    return (
        f"{target.name} changes along {time}: {moved} in training, validation and hold-out. Where "
        f"{time} is not when the event happened, remove data.time from mlops.yaml; where it is, "
        "metrics tell of the newest rows only"
    )


def _is_in_order(engine: Engine, path: Path, table: TableStatistics, name: str) -> bool:
    moment = quote(name)
    relation = engine.typed(path, {name: table.forms[name]})
    back, forth = engine.rows(
        f"select count_if({moment} < before), count_if({moment} > before) from (select {moment}, "
        f"lag({moment}) over (order by {ROW}) as before from {relation})"
    )[0]
    return not back or not forth  # the newest row may come first


def _against(
    engine: Engine,
    path: Path,
    table: TableStatistics,
    target: Target,
    names: tuple[str, str | None],
    in_order: bool,
) -> str | None:
    """Why a column of moments is not when events happened; None where nothing says so."""
    name, subject = names
    relation = engine.typed(path, table.forms)
    ends = engine.rows(f"select min({quote(name)}), max({quote(name)}) from {relation}")[0]
    low, high = (datetime.fromisoformat(str(end)) for end in ends)
    if high > datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1):
        return f"it reaches to {high:%Y-%m-%d}, which is still to come"
    if in_order:
        return None
    if high - low > LIFETIME:
        return f"it goes from {low:%Y} to {high:%Y}, as dates of birth do"
    if subject and _is_of_subject(engine, relation, name, subject):
        return f"it is the same in all rows of one {subject}"
    moved = moved_target(engine, path, table, target, name)
    return (
        f"{target.name} changes along it: {moved} from its oldest rows to its newest"
        if moved
        else None
    )


def _is_of_subject(engine: Engine, relation: str, name: str, subject: str) -> bool:
    return not engine.rows(
        f"select 1 from {relation} where {quote(subject)} is not null group by {quote(subject)} "
        f"having count(distinct {quote(name)}) > 1 limit 1"
    )


Parts = Sequence[tuple[int, object, int, float | None, float | None]]
"""A part (0 to 2), a class or null, its rows, the mean and the variance of numbers."""


def _parts(engine: Engine, path: Path, table: TableStatistics, target: Target, time: str) -> Parts:
    number = target.type in ("integer", "float") and target.distinct > 2
    label = "null" if number else "t"
    mean, variance = ("avg(t)", "var_samp(t)") if number else ("null", "null")
    return engine.rows(
        f"select part, {label} as label, count(*), {mean}, {variance} from (select "
        f"greatest(ntile(5) over (order by {quote(time)}, {ROW}) - 3, 0) as part, "
        f"{target.sql} as t from {engine.typed(path, table.forms)} where {target.sql} is not null "
        f"and {quote(time)} is not null) group by all order by part, label"
    )


def _moved_mean(parts: Parts) -> str | None:
    figures = {part: (n, mean or 0.0, variance or 0.0) for part, _, n, mean, variance in parts}
    if len(figures) < 3:
        return None
    (n, first, spread), _, (m, last, other) = (figures[i] for i in range(3))
    error = (spread / n + other / m) ** 0.5
    pooled = max(spread, other) ** 0.5
    if abs(first - last) < max(MOVED_SIGMAS * pooled, SURE * error) or not pooled:
        return None
    return "its mean is " + ", ".join(f"{figures[i][1]:.4g}" for i in range(3))


def _moved_share(parts: Parts, target: Target) -> str | None:
    rows = [sum(n for part, _, n, *_ in parts if part == i) for i in range(3)]
    counts: dict[object, list[int]] = {}
    for part, label, n, *_ in parts:
        counts.setdefault(label, [0, 0, 0])[part] = n
    if not all(rows) or len(counts) > _CLASSES:
        return None
    shares = {label: [n / r for n, r in zip(c, rows, strict=True)] for label, c in counts.items()}
    label = max(shares, key=lambda k: (round(abs(shares[k][0] - shares[k][2]), 9), str(k)))
    whole = sum(counts[label]) / sum(rows)
    error = (whole * (1 - whole) * (1 / rows[0] + 1 / rows[2])) ** 0.5
    if abs(shares[label][0] - shares[label][2]) < max(MOVED, SURE * error):
        return None
    said = ", ".join(f"{share:.2f}" for share in shares[label])
    shown = str(label).lower() if isinstance(label, bool) else label
    return f"the share of {shown} is {said}"
