"""Whom rows are about: a column that names customers, machines, patients, each with several rows.

Rows of one subject are alike. Where some are trained on and others judge, the hold-out tells how
well known subjects are told apart, and not how well new ones are predicted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.contracts.statistics import ColumnStatistics, TableStatistics
from mlops_cli.scaffold.target import Target
from mlops_cli.tables.base import ROW, Engine, quote

FEWEST = 20  # subjects
EACH = (2.0, 50.0)  # rows of a subject, on the average; with more it is a category to learn from
ALIKE = 0.2  # of the target's agreement, beyond chance, within a subject
SAME = 0.5  # of another column's
OTHERS = 40  # further columns that are looked at
_ROWS = 20_000  # looked at, of whole subjects
_BLOCK = 5  # subjects whose names are neighbours
_TARGET = "__target__"
_PERSONS = re.compile(
    r"(full|last|user|login|nick)?[ _]?names?|surname|.*(customer|client|patient|employee|student"
    r"|pupil|member|person|player|athlete|driver|author|user|visitor|donor|borrower|applicant"
    r"|tenant)s?([ _-]?(full[ _-]?)?name)?"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A column that names whom a row is about, how many there are, and their rows."""

    name: str
    count: int
    rows: int


def find_subjects(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> tuple[Subject, ...]:
    """The columns that name a subject with several rows, the most telling first.

    Such a column repeats its values, and rows that share one agree in the target, or in another
    column, far more than chance and than rows with a neighbouring value do: an age, whose
    neighbours are alike, is a quantity; a city, whose rows have nothing else in common, a
    category. Text counts where it looks like a code, with digits or an @, or where its column is
    called after persons.
    """
    found: list[tuple[float, Subject]] = []
    unclear = {remark.column for remark in table.remarks if remark.doubt}
    for column in table.columns.values():
        present = table.rows - column.nulls
        if column.name in (*target.inputs, *unclear) or not _repeats(column, present):
            continue
        rows = _rows_of(engine, path, table, target, column)
        named = _PERSONS.fullmatch(column.name.lower()) or column.type != "text"
        if not named and not _looks_like_codes(rows[column.name]):
            continue
        if strength := _strength(rows, column, present):
            found.append((strength, Subject(column.name, column.distinct, present)))
    ranked = sorted(found, key=lambda f: (-round(f[0], 3), -f[1].count, f[1].name))
    return tuple(subject for _, subject in ranked)


def _repeats(column: ColumnStatistics, present: int) -> bool:
    names = column.type in ("text", "integer") or column.whole
    if not names or column.distinct < FEWEST or 20 * column.nulls > present:
        return False
    return EACH[0] <= present / column.distinct <= EACH[1]


def _rows_of(
    engine: Engine, path: Path, table: TableStatistics, target: Target, column: ColumnStatistics
) -> pa.Table:
    plain = [n for n, kind in table.types.items() if kind not in ("date", "timestamp")]
    others = [n for n in plain if n != column.name and n not in target.inputs][:OTHERS]
    name = quote(column.name)
    share = min(1.0, _ROWS / table.rows)
    cells = ", ".join([name, *(quote(n) for n in others), f"{target.sql} as {_TARGET}"])
    return engine.arrow(
        f"select {cells} from {engine.typed(path, table.forms)} where {name} is not null "
        f"and {target.sql} is not null and hash({name}) % 4294967296 <= {int(share * 4294967295)} "
        f"order by {ROW}"
    )


def _looks_like_codes(column: pa.ChunkedArray) -> bool:
    coded = pc.match_substring_regex(column, "[0-9@]")
    return bool(len(column)) and 2 * pc.sum(coded).as_py() > len(column)


def _strength(rows: pa.Table, column: ColumnStatistics, present: int) -> float:
    """How much more alike rows of one value are than chance; 0 where the column names no subject.

    A number whose only sign is another column has to be one that was given out in turn: of the
    numbers between its least and its greatest most occur. A distance tells the city, too.
    """
    groups = _codes(rows[column.name])
    if not len(groups) or groups.max() + 1 >= len(groups):
        return 0.0
    strongest = _beyond_neighbours(rows[_TARGET], groups, ALIKE)
    low, high = column.low, column.high
    counted = low is None or high is None or column.distinct >= (high - low + 1) / 2
    if not strongest and counted:
        others = [n for n in rows.column_names if n not in (column.name, _TARGET)]
        strongest = max((_beyond_neighbours(rows[n], groups, SAME) for n in others), default=0.0)
    return strongest


def _beyond_neighbours(column: pa.ChunkedArray, groups: NDArray[np.int64], least: float) -> float:
    """The agreement within groups, where it is at least `least` and twice that of neighbours."""
    if column.null_count > len(column) / 20:
        return 0.0
    firsts = np.unique(groups, return_index=True)[1]
    noise = 5 / np.sqrt(max(len(groups) - len(firsts), 1))
    strongest = 0.0
    for values in _as_numbers(column):
        same = _agreement(values, groups)
        sums = np.bincount(groups, weights=values) / np.bincount(groups)
        near = _agreement(sums, np.arange(len(sums)) // _BLOCK)
        if same >= max(least, noise) and near <= same / 2:
            strongest = max(strongest, same)
    return strongest


def _agreement(values: NDArray[np.float64], groups: NDArray[np.int64]) -> float:
    """The intraclass correlation of one-way analysis of variance: 1 where groups are uniform."""
    n, sizes = len(values), np.bincount(groups)
    k = len(sizes)
    if k < 2 or n <= k or not values.std():
        return 0.0
    means = np.bincount(groups, weights=values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum() / (k - 1))
    within = float(((values - means[groups]) ** 2).sum() / (n - k))
    each = (n - float((sizes.astype(np.float64) ** 2).sum()) / n) / (k - 1)
    return (between - within) / (between + (each - 1) * within)


def _as_numbers(column: pa.ChunkedArray) -> Iterator[NDArray[np.float64]]:
    """Numbers and moments by their rank; each of the most frequent texts as 0 and 1."""
    codes = _codes(column)
    if not pa.types.is_string(column.type):
        yield codes.astype(np.float64)
        return
    counts = np.bincount(codes)
    for code in np.argsort(-counts, kind="stable")[:3]:
        yield (codes == code).astype(np.float64)


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The rank of each value among the distinct ones, shape (n,); null is the last."""
    encoded = column.combine_chunks().dictionary_encode()
    order = np.asarray(pc.array_sort_indices(encoded.dictionary))
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), len(order)
    indices = encoded.indices.cast(pa.int64()).fill_null(len(order))
    return np.asarray(rank[np.asarray(indices)])
