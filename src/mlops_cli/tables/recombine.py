"""Rows that are nobody's: each column's value drawn from another row of a table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Positions = NDArray[np.int64]
Broken = Callable[[pa.Table], NDArray[np.bool_]]
"""Which rows of a table break a condition, shape (n,)."""

_ROUNDS = 4
_AT_ONCE = 64  # new rows for each broken one


@dataclass(frozen=True, slots=True)
class Kept:
    """The row at `position` is kept as far as these columns go: what they hold is to occur."""

    columns: tuple[str, ...]
    position: int


def groups_of(
    names: Sequence[str], ties: Iterable[Collection[str]], sensitive: Collection[str] = ()
) -> tuple[tuple[str, ...], ...]:
    """The columns that are drawn together, as groups: those of a tie, unless one is sensitive.

    Where that would be a whole row, each column is drawn by itself.
    """
    group = {name: {name} for name in names}
    for tie in ties:
        if not set(tie) & set(sensitive):
            merged = set[str]().union(*(group[name] for name in tie if name in group))
            group |= dict.fromkeys(merged, merged)
    found = dict.fromkeys(tuple(n for n in names if n in group[name]) for name in names)
    return tuple(found) if len(found) > 1 else tuple((name,) for name in names)


def recombine(
    table: pa.Table,
    groups: Sequence[Sequence[str]],
    *,
    spread: Sequence[int],
    kept: Sequence[Kept] = (),
    broken: Broken | None = None,
) -> pa.Table:
    """Rows made of the table's values: one for each position of `spread`, then one for each `kept`.

    The columns of a group come from one row, and other groups from other ones. The values at the
    positions of `spread` all occur, as do those that are kept; the rest of a kept row is drawn
    from the whole table. A row that is `broken` is drawn again, some 250 times at the most.

    The same values give the same rows. The draw follows from how the values stand together in the
    table, so that who has only the result cannot take it apart again.
    """
    random = np.random.default_rng(_seed(table, [*spread, *(k.position for k in kept)]))
    mixed = _mixed(random, np.asarray(spread, dtype=np.int64), len(groups))
    rows = np.concatenate([mixed, _around(random, table.num_rows, groups, kept)])
    free = np.ones(rows.shape, dtype=bool)
    for n, one in enumerate(kept, len(mixed)):
        free[n] = [not set(group) & set(one.columns) for group in groups]
    if broken is not None:
        _mend(random, table, groups, rows, free, broken)
    return _taken(table, groups, rows)


def _seed(table: pa.Table, positions: Iterable[int]) -> int:
    rows = table.take(pa.array(sorted(set(positions)), pa.int64())).to_pylist()
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(rows)).digest())


def _mixed(random: np.random.Generator, spread: Positions, groups: int) -> Positions:
    """Source positions of shape (len(spread), groups): in each column all, in a row all others."""
    n = len(spread)
    shifts = np.resize(random.permutation(n), groups)
    order = random.permutation(spread)
    made: Positions = order[(np.arange(n)[:, None] + shifts) % max(n, 1)]
    return made


def _around(
    random: np.random.Generator,
    rows: int,
    groups: Sequence[Sequence[str]],
    kept: Sequence[Kept],
) -> Positions:
    """Source positions of shape (len(kept), groups): what is kept, and other rows for the rest."""
    made = np.empty((len(kept), len(groups)), dtype=np.int64)
    for n, one in enumerate(kept):
        others = random.integers(0, max(rows - 1, 1), len(groups))
        others += (others >= one.position) & (rows > 1)
        held = [bool(set(group) & set(one.columns)) for group in groups]
        made[n] = np.where(held, one.position, others)
    return made


def _mend(
    random: np.random.Generator,
    table: pa.Table,
    groups: Sequence[Sequence[str]],
    rows: Positions,
    free: NDArray[np.bool_],
    broken: Broken,
) -> None:
    """Draw what is free of the broken `rows` again, in their place."""
    bad = np.flatnonzero(broken(_taken(table, groups, rows)))
    for _ in range(_ROUNDS):
        if not len(bad):
            return
        tried = np.repeat(rows[bad], _AT_ONCE, axis=0)
        drawn = random.integers(0, table.num_rows, tried.shape)
        tried = np.where(np.repeat(free[bad], _AT_ONCE, axis=0), drawn, tried)
        sound = ~broken(_taken(table, groups, tried)).reshape(len(bad), _AT_ONCE)
        first = sound.argmax(axis=1)
        rows[bad] = tried.reshape(len(bad), _AT_ONCE, -1)[np.arange(len(bad)), first]
        bad = bad[~sound.any(axis=1)]


def _taken(table: pa.Table, groups: Sequence[Sequence[str]], rows: Positions) -> pa.Table:
    columns: dict[str, pa.ChunkedArray] = {}
    for j, group in enumerate(groups):
        taken = table.select(list(group)).take(pa.array(rows[:, j]))
        columns |= zip(taken.column_names, taken.columns, strict=True)
    return pa.table({n: columns[n] for n in table.column_names if n in columns})
