"""Numbers that no range is drawn from: -999 for a missing value, 0 and 1 for no and yes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.tables.base import Engine, quote

SENTINELS = tuple(sign * (10.0**n - 1) for n in range(2, 8) for sign in (-1, 1))  # -99, 99, -999
OFTEN = 0.005  # of the rows: a number that occurs so often was meant
_COUNTED = 7.0  # values above 1 to be expected of a count: that none comes has a chance of 0.1 %


@dataclass(frozen=True, slots=True)
class Sentinel:
    """A column's least or greatest number, in how many rows it is, and the next value."""

    name: str
    value: float
    rows: int
    near: float


def find_sentinels(
    engine: Engine, path: Path, table: TableStatistics, *, once: bool = False
) -> Iterator[Sentinel]:
    """Numbers such as -999 that occur often, far from all other values of their column.

    With `once` a single row is enough.
    """
    relation = engine.typed(path, table.forms)
    ends = [
        (name, end, bound)
        for name, column in table.columns.items()
        if column.type in ("integer", "float")
        for end, bound in (("min", column.low), ("max", column.high))
        if bound in SENTINELS and (bound > 0) == (end == "max")
    ]
    for name, end, bound in ends:
        cell = quote(name)
        alike = ", ".join(str(value) for value in SENTINELS if (value > 0) == (bound > 0))
        near, often = engine.rows(
            f"select {end}({cell}) filter ({cell} not in ({alike})), count_if({cell} = {bound}) "
            f"from {relation} where isfinite({cell})"
        )[0]
        far = near is not None and (near >= 0 if bound < 0 else near < bound / 4)
        if far and (once or often >= max(2, OFTEN * table.rows)):
            yield Sentinel(name, bound, often, near)


def find_flags(engine: Engine, path: Path, table: TableStatistics) -> frozenset[str]:
    """Columns of 0 and 1 that say no and yes.

    Of a count that is 1 as often (Poisson), the rows would hold values above 1.
    """
    two = [n for n, c in table.columns.items() if (c.low, c.high, c.whole) == (0, 1, True)]
    if not two:
        return frozenset()
    sums = ", ".join(f"sum({quote(name)}) filter (isfinite({quote(name)}))" for name in two)
    found = engine.rows(f"select {sums} from {engine.typed(path, table.forms)}")[0]
    return frozenset(
        name
        for name, ones in zip(two, found, strict=True)
        if ones * ones / 2 >= _COUNTED * (table.rows - table.columns[name].nulls)
    )
