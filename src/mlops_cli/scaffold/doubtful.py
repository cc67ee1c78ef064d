"""Values that are read as they stand and may mean something else: a model learns them all the same.

None of these is decided here: the user alone knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops_cli.contracts.statistics import TableStatistics, names_a_moment
from mlops_cli.contracts.unusual import find_sentinels
from mlops_cli.scaffold.target import Target
from mlops_cli.tables.base import Engine, quote

SHOWN = 5  # columns that a terminal shows well
WIDEST = 300  # columns of a table whose rows are compared whole
REPEATED = 0.01  # of the rows: from here on repeats are told
BY_CHANCE = 3  # times as many repeats as by chance: some columns tell one another
EXCEL = 20_000.0, 80_000.0  # days since 1900, as Excel counts them: 1954 to 2119
_MONTH = r"(19|20)\d\d[-/. ]?(0[1-9]|1[0-2]|[QW]\d{1,2})"


def doubtful_values(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> Iterator[str]:
    """Sentences about repeated rows, alike categories, months as text, days of Excel, -999."""
    relation = engine.typed(path, table.forms)
    yield from _repeated_rows(engine, relation, table)
    yield from _texts(engine, relation, table, target)
    for name, column in table.columns.items():
        low, high = column.low, column.high
        if low is None or high is None or name in target.inputs or not names_a_moment(name):
            continue
        if EXCEL[0] <= low < high <= EXCEL[1] and column.type in ("integer", "float"):
            yield (
                f"{name} is a number from {low:.0f} to {high:.0f}, which may be days as Excel "
                "counts them: if so, write them as dates (2024-01-31)"
            )
    yield from _sentinels(engine, path, table, target)


def _repeated_rows(engine: Engine, relation: str, table: TableStatistics) -> Iterator[str]:
    if not 1 < len(table.columns) <= WIDEST:
        return
    cells = ", ".join(map(quote, table.columns))
    (single,) = engine.rows(f"select count(distinct hash({cells})) from {relation}")[0]
    repeated = table.rows - single
    if repeated < max(2, REPEATED * table.rows):
        return
    if repeated > BY_CHANCE * _repeated_by_chance(engine, relation, table, single):
        yield (
            f"{repeated} of {table.rows} rows repeat another one in every column: some stand in "
            "training and in the hold-out alike, which makes metrics look better than they are; "
            "take them out where they are one event that was written twice"
        )


def _repeated_by_chance(
    engine: Engine, relation: str, table: TableStatistics, single: int
) -> float:
    """How many repeats chance makes of the rows that agree in the column of most values.

    Two rows agree in all other columns with the probability q: of the pairs that agree in this
    one, q are repeats and 1 - q are among the `single` rows, more than it has values.
    """
    varied = max(table.columns.values(), key=lambda column: column.distinct)
    if 2 * varied.distinct < single:  # no column differs in nearly every row
        return float("inf")
    others = ", ".join(quote(name) for name in table.columns if name != varied.name)
    groups = f"(select count(*) as n from {relation} group by hash({others}))"
    (q,) = engine.rows(f"select sum(n * n) / pow(sum(n), 2) from {groups}")[0]
    return float("inf") if q >= 1 else max(0, single - varied.distinct) * q / (1 - q)


def _texts(engine: Engine, relation: str, table: TableStatistics, target: Target) -> Iterator[str]:
    names = [n for n, c in table.columns.items() if c.type == "text" and n not in target.inputs]
    if not names:
        return
    cells = [
        f"count(distinct {t}) - count(distinct lower(trim({t}))), "
        f"bool_and(regexp_full_match({t}, '{_MONTH}')), max({t})"
        for t in map(quote, names)
    ]
    found = iter(engine.rows(f"select {', '.join(cells)} from {relation}")[0])
    told = list(zip(names, found, found, found, strict=False))
    alike = [name for name, more, _, _ in told if more]
    if alike:
        more = f" and {len(alike) - SHOWN} more" if len(alike) > SHOWN else ""
        yield (
            f"values that differ in blanks or case alone are different ones: in "
            f"{', '.join(alike[:SHOWN])}{more}: write them alike where they mean the same"
        )
    for name, _, months, example in told:
        if months:
            yield (
                f"{name} is text, though its values look like months, such as {example!r}: one to "
                "come is a value never seen; write its first day (2024-01-01) where it is a time"
            )


def _sentinels(engine: Engine, path: Path, table: TableStatistics, target: Target) -> Iterator[str]:
    for one in find_sentinels(engine, path, table):
        if one.name not in target.inputs:
            yield (
                f"{one.name} is {one.value:.0f} in {one.rows} rows, and {one.near:g} is the next "
                f"value: where that means missing, take nullif({one.name}, {one.value:.0f}) under "
                "features.row instead"
            )
