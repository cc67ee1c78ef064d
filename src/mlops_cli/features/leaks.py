"""What of the features knows the outcome, or will be known only later: told before a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.expressions.tree import columns_of
from mlops_cli.features.leakage import predictive_power
from mlops_cli.features.left_out import left_out
from mlops_cli.tables.groups import codes_of

SAMPLE = 5_000  # rows that single features are looked at in
LEAK = 0.99  # AUC or R² of one feature: from here on it is taken for the outcome itself
TWINS = 0.01  # of the hold-out's rows: from here on repeats are told
BY_CHANCE = 3  # times as many as by chance: some columns tell one another
MOST_ROWS = 100_000  # that are compared with one another
FEWEST_GROUPS = 5  # values of a feature, for it to be called the mean of the target
_EXACT = 0.95  # of the values
_LINES = 40
_TARGET = "__target__"
Rows = npt.NDArray[np.int64]
Read = Callable[[Sequence[str], Rows | None], pa.Table]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Looked:
    """The rows that are looked at: how columns are read, and what is known of each row.

    `read` gives columns of the table of features at ascending positions, None: of all rows.
    `target` and `moments` (microseconds, None without a time) are of shape (n,), `fitted` and
    `holdout` positions. `time` is the column of `data.time`. `by_time`: the hold-out is the newest.
    """

    plan: FeaturePlan
    task: Task
    read: Read
    target: Floats
    moments: Rows | None
    fitted: Rows
    holdout: Rows
    time: str | None
    by_time: bool


def leaks(rows: Looked) -> Iterator[str]:
    """Sentences, one for each leak that is found; nothing is refused, since a user may know better.

    Looked for are features that alone are the outcome (such as a copy of it that a join brings), a
    category's mean of the target that has seen the row's own, or leaves it out and tells it so,
    moments that are later than the event, and rows of the hold-out that were fitted on under
    another number. Single features are looked at in at most `SAMPLE` rows; rows are compared where
    they are at most `MOST_ROWS`.
    """
    every = np.linspace(0, len(rows.target) - 1, min(SAMPLE, len(rows.target))).astype(np.int64)
    moments = [i.name for i in rows.plan.inputs if i.type in ("date", "timestamp")]
    names = dict.fromkeys([*(f.name for f in rows.plan.features), *moments])
    columns = {name: rows.read([name], every)[name] for name in names}  # never all of a large table
    sample = pa.table(columns)
    yield from _copies(rows, sample, rows.target[every])
    yield from _means(rows, sample, rows.target[every])
    if rows.moments is not None:
        yield from _later(rows, sample, rows.moments[every])
    if not rows.by_time and len(rows.target) <= MOST_ROWS:
        yield from _twins(rows)


def _copies(rows: Looked, sample: pa.Table, target: Floats) -> Iterator[str]:
    names = [f.name for f in rows.plan.features]
    with_target = sample.select(names).append_column(_TARGET, pa.array(target))
    power = predictive_power(with_target, _TARGET, rows.task)
    joined = {i.name for i in rows.plan.inputs if i.source != "event"}
    for tree in rows.plan.trees:
        if power.get(tree.name, 0.0) >= LEAK:
            score = "R²" if rows.task == "regression" else "AUC"
            source = " and comes from a join" if joined & {*columns_of(tree.tree)} else ""
            yield (
                f"{tree.name} alone predicts the target with {score} {power[tree.name]:.3f}{source}"
                ": is it known at the time of the event?"
            )


def _means(rows: Looked, sample: pa.Table, target: Floats) -> Iterator[str]:
    """Features that are the target's mean of a category, with the row's own and the hold-out's."""
    low, high, spread = target.min(), target.max(), target.std()
    if rows.task == "multiclass" or not spread:
        return
    for feature in rows.plan.features:
        if feature.kind != "numeric" or pa.types.is_boolean(sample[feature.name].type):
            continue
        few = _numbers(sample[feature.name])
        present = few[np.isfinite(few)]
        if not len(present) or present.min() < low or present.max() > high:
            continue
        if abs(present.mean() - target.mean()) > spread / 5:
            continue
        values = _numbers(rows.read([feature.name], None)[feature.name])
        smoothing = _smoothing(values, rows.target)
        if smoothing is None:
            how = left_out(
                values, rows.target, binary=rows.task == "binary", columns=_categories(rows)
            )
            if how is not None:
                yield (
                    f"{feature.name} is {how}: what is missing in it tells the outcome of the row. "
                    "Take it from earlier rows, or out of fold; or let the model have the category "
                    "itself"
                )
        else:
            how = "" if smoothing < 1e-6 else f", smoothed by {smoothing:.3g} rows of the overall"
            yield (
                f"{feature.name} is the mean of the target over all rows of its value{how}: it has "
                "seen the outcome of each row, the hold-out's, too. Take it from earlier rows, or "
                "out of fold; or let the model have the category itself"
            )


def _categories(rows: Looked) -> Iterator[tuple[str, Callable[[], Rows]]]:
    """The columns whose values may name a group, and how their codes are read."""
    names = [i.name for i in rows.plan.inputs if i.type in ("text", "integer", "boolean")]
    for name in dict.fromkeys([*names, *(f.name for f in rows.plan.features if f.categories)]):
        yield name, partial(lambda name: codes_of(rows.read([name], None), [name]), name)


def _smoothing(values: Floats, target: Floats) -> float | None:
    """By how many rows of a prior each value is mixed, where the values are means of the target.

    Of the encoding (sum + m prior) / (n + m) the difference value * n - sum is a straight line in
    the value, -m value + m prior (k times that, where k categories have one value); None where
    that does not hold for nearly every value. The line is one through two of the values, drawn
    until one fits.
    """
    known = np.isfinite(values)
    found, codes = np.unique(values[known], return_inverse=True)
    if not FEWEST_GROUPS <= len(found) <= len(codes) / 2:
        return None
    counts = np.bincount(codes).astype(np.float64)
    off = found * counts - np.bincount(codes, weights=target[known])
    near = 1e-4 * counts
    if (np.abs(off) <= near).mean() >= _EXACT:
        return 0.0
    draw = np.random.default_rng(0)
    for _ in range(_LINES):
        i, j = draw.choice(len(found), 2, replace=False)
        slope = (off[j] - off[i]) / (found[j] - found[i])
        line = off[i] + slope * (found - found[i])
        fits = np.any([np.abs(off - k * line) <= near for k in (1, 2, 3, 4)], axis=0)
        if slope < 0 and fits.mean() >= _EXACT:
            return float(-slope)
    return None


def _later(rows: Looked, sample: pa.Table, moments: Rows) -> Iterator[str]:
    read: Mapping[str, list[str]] = {
        i.name: [t.name for t in rows.plan.trees if i.name in columns_of(t.tree)]
        for i in rows.plan.inputs
        if i.type in ("date", "timestamp") and i.source == "event" and i.name != rows.time
    }
    for name, features in read.items():
        known = np.asarray(pc.is_valid(sample[name]))
        at = sample[name].cast(pa.timestamp("us")).cast(pa.int64()).fill_null(0)
        later = float((np.asarray(at)[known] > moments[known]).mean()) if known.any() else 0.0
        if later > 0.5 and features:
            yield (
                f"{name}, which {', '.join(features)} reads, is later than {rows.time} in "
                f"{later:.0%} of the rows: leave it out unless it is planned before the event"
            )


def _twins(rows: Looked) -> Iterator[str]:
    names = [f.name for f in rows.plan.features]
    table = rows.read(names, None).append_column(_TARGET, pa.array(rows.target))
    whole = codes_of(table, table.column_names)
    found = int(np.isin(whole[rows.holdout], whole[rows.fitted]).sum())
    if found < max(2, TWINS * len(rows.holdout)):
        return
    if found > BY_CHANCE * _twins_by_chance(table, names, rows):
        yield (
            f"{found} of {len(rows.holdout)} rows of the hold-out have a twin in the fitted rows, "
            "equal in every feature and the target: metrics look better than they are. Take "
            "repeats out, or keep what belongs together in one part: split.key"
        )


def _twins_by_chance(table: pa.Table, names: Sequence[str], rows: Looked) -> float:
    """How many twins there would be if the most varied feature told nothing of the others."""
    codes = {name: codes_of(table, [name]) for name in names}
    varied = max(names, key=lambda name: int(codes[name].max()))
    rest = codes_of(table, [n for n in table.column_names if n != varied])
    shares = np.ones(len(rows.holdout))
    for column in (codes[varied], rest):
        counts = np.bincount(column[rows.fitted], minlength=int(column.max()) + 1)
        shares *= counts[column[rows.holdout]] / len(rows.fitted)
    return float((1 - np.exp(-len(rows.fitted) * shares)).sum())


def _numbers(column: pa.ChunkedArray) -> Floats:
    plain = column.cast(pa.float64(), safe=False).fill_null(float("nan"))
    return np.asarray(plain.to_numpy(), dtype=np.float64)
