"""How far a column's values moved since a version was published, in counts and never in rows.

The statistic is the total variation distance between the two tables' shares of bins: the share of
rows that would have to move. Of two samples of one distribution over B bins, with n and m rows,
its mean is at most sqrt(B (1/n + 1/m)) / 2 (Jensen's inequality), and it lies above that mean by
t with a probability of at most exp(-2 t^2 / (1/n + 1/m)) (McDiarmid's inequality).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlops_cli.contracts.conditions import is_missing
from mlops_cli.contracts.findings import BadRow, Found, Violation
from mlops_cli.contracts.model import ColumnContract, Contract
from mlops_cli.contracts.table_rules import Distribution, Shares
from mlops_cli.errors import DataError
from mlops_cli.tables.base import Engine, literal, quote

_TENTHS = tuple(i / 10 for i in range(1, 10))
_FEWEST = 100  # rows, so that a tenth is of ten: an edge tells of no single one
_MANY = 0.05  # of the rows: a value of so many is told apart from its neighbours
_CHANCE = 1e-6  # of an alarm where nothing moved


def profile_of(engine: Engine, path: Path, contract: Contract) -> dict[str, Shares] | None:
    """What a version keeps of its table: the columns of `distribution`; None without that rule.

    Raises `DataError` for a table of fewer than 100 rows.
    """
    if contract.distribution is None:
        return None
    return {
        name: _profiled(engine, path, name, contract.columns[name])
        for name in contract.distribution.columns
    }


def hold_distribution(
    engine: Engine, path: Path, contract: Contract, *, profile: Mapping[str, Shares]
) -> Found:
    """The columns that moved by more than `max_moved` and what chance explains."""
    asked = contract.distribution
    if asked is None:
        return Found()
    absent = [name for name in asked.columns if name not in profile]
    remarks = (_not_held(absent),) if absent else ()
    broken = [
        broken
        for name in asked.columns
        if name in profile
        for broken in _broken(engine, path, contract, name, profile[name])
    ]
    return Found(tuple(broken), remarks=remarks)


def _not_held(names: Sequence[str]) -> str:
    return (
        f"distribution is held from the first version on that knows it, not yet of "
        f"{', '.join(names)[:200]}: mlops contract publish"
    )


def _broken(
    engine: Engine, path: Path, contract: Contract, name: str, before: Shares
) -> Iterator[Violation]:
    now = _counted(engine, path, name, contract.columns[name], before)
    asked = contract.distribution or Distribution(columns=(name,))
    if not now.rows or not before.rows:
        return
    moved, chance = moved_share(before, now), _by_chance(before, now)
    if moved > asked.max_moved + chance:
        expected = f"at most {asked.max_moved:.1%} of the rows elsewhere, {chance:.1%} by chance"
        found = f"{moved:.1%}"
        yield Violation(name, "distribution", expected, 0, (BadRow(0, found),))


def moved_share(before: Shares, now: Shares) -> float:
    """The total variation distance (0 to 1) of two tables over the same bins."""
    then, today = ((*s.counts, s.missing) for s in (before, now))
    pairs = zip(then, today, strict=True)
    return sum(abs(a / before.rows - b / now.rows) for a, b in pairs) / 2


def _by_chance(before: Shares, now: Shares) -> float:
    """What the distance stays below where nothing moved, but for one time in a million."""
    samples = 1 / before.rows + 1 / now.rows
    bins = len(before.counts) + 1
    return math.sqrt(bins * samples) / 2 + math.sqrt(math.log(1 / _CHANCE) * samples / 2)


def _profiled(engine: Engine, path: Path, name: str, column: ColumnContract) -> Shares:
    if column.type in ("integer", "float"):
        edges = _edges(engine, engine.typed(path, {name: column.form}), name, column)
        empty = Shares(rows=0, missing=0, edges=edges, counts=(0,))
    else:
        listed = column.categories or ("false", "true")
        empty = Shares(rows=0, missing=0, values=tuple(map(str, listed)), counts=(0,))
    found = _counted(engine, path, name, column, empty)
    if found.rows < _FEWEST:
        raise DataError(
            f"{path.name} has {found.rows} rows, and a distribution is told of {_FEWEST} or more",
            hint="leave `distribution` out of the contract, or publish with more rows",
        )
    return found


def _edges(engine: Engine, relation: str, name: str, column: ColumnContract) -> tuple[float, ...]:
    """Edges between values, just above the tenths; a value of many rows has a bin to itself."""
    value = f"{quote(name)}::double"
    known = f"from {relation} where not {is_missing(name, column)} and isfinite({value})"
    tenths = engine.rows(f"select quantile_disc({value}, [{', '.join(map(str, _TENTHS))}]) {known}")
    if not tenths[0][0]:
        return ()
    edges = set[float]()
    for at in sorted(set(tenths[0][0])):
        there = f"{literal(repr(at))}::double"
        below, above, share = engine.rows(
            f"select max({value}) filter ({value} < {there}), "
            f"min({value}) filter ({value} > {there}), count_if({value} = {there}) / count(*) "
            f"{known}"
        )[0]
        if share >= _MANY:
            edges.add(math.nextafter(at, -math.inf) if below is None else (below + at) / 2)
        edges.add(at if above is None else (at + above) / 2)
    return tuple(sorted(edges))


def _counted(engine: Engine, path: Path, name: str, column: ColumnContract, bins: Shares) -> Shares:
    """The table's rows in the bins of `bins`."""
    typed, missing = quote(name), is_missing(name, column)
    if bins.edges is not None:
        cells = [f"count_if({typed}::double <= {literal(repr(e))}::double)" for e in bins.edges]
    else:
        cells = [f"count_if({typed}::varchar = {literal(v)})" for v in bins.values or ()]
    relation = engine.typed(path, {name: column.form})
    rows, absent, *counts = engine.rows(
        f"select {', '.join(['count(*)', f'count_if({missing})', *cells])} from {relation}"
    )[0]
    present = rows - absent
    if bins.edges is not None:
        ends = [0, *counts, present]
        counts = [b - a for a, b in itertools.pairwise(ends)]
    else:
        counts = [*counts, present - sum(counts)]
    return bins.model_copy(update={"rows": rows, "missing": absent, "counts": tuple(counts)})
