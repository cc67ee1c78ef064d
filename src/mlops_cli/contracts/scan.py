"""Hold a file to its contract: one aggregate scan, and a second only where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlops_cli.config.sections.base import format_duration
from mlops_cli.contracts.conditions import Condition, check_condition, conditions, is_missing
from mlops_cli.contracts.counting import Asked, Count, count_rows
from mlops_cli.contracts.findings import BadRow, Findings, Violation, bad_rows, with_examples
from mlops_cli.contracts.model import Contract, Rule, parse_moment
from mlops_cli.contracts.outliers import outlier_conditions
from mlops_cli.contracts.proven import count_what_is_open
from mlops_cli.errors import DataError, UsageError
from mlops_cli.tables.base import ROW, Engine, literal, quote

_COLUMNS = ("table", "row", "column", "rule", "value")
_NO_ROWS = (
    'select \'\'::varchar as "table", 0::bigint as "row", \'\'::varchar as "column", '
    "''::varchar as rule, ''::varchar as value, 0 as place where false"
)


@dataclass(frozen=True, slots=True)
class Unconsented:
    """How many rows nobody consented to, and the SQL that selects them as rejected rows."""

    count: int
    rows_sql: str


def structure(engine: Engine, path: Path, contract: Contract) -> tuple[Violation, ...]:
    """Columns that the file lacks, or has beyond a contract that refuses extra ones."""
    described = engine.rows(f"describe select * from {engine.raw(path)}")
    found = [row[0] for row in described if row[0] != ROW]
    faults = [Violation(n, "missing", "a column", 0) for n in contract.columns if n not in found]
    if contract.extra_columns == "refuse":
        extra = [n for n in found if n not in contract.columns]
        faults += [Violation(n, "extra", "no such column", 0) for n in extra]
    return tuple(faults)


def scan(
    engine: Engine,
    path: Path,
    contract: Contract,
    *,
    table: str,
    ordered_by: str | None = None,
    count: Count = count_rows,
) -> Findings:
    """Hold a file, whose columns are there, to its contract.

    `table` is its name in reports; of the column `ordered_by` (or that of `freshness`) the newest
    value is found; `count` counts. Raises `UsageError` for a rule that DuckDB does not take as a
    condition of one row, and `DataError` for a file that cannot be read.
    """
    relation = engine.typed_with_source(path, contract.forms)
    for rule in contract.rules:
        _check_rule(engine, relation, rule)
    checks = [*conditions(contract), *outlier_conditions(engine, path, contract)]
    timed = contract.freshness.column if contract.freshness else ordered_by
    asked = Asked(checks, timed, ordered_by)
    counted = count_what_is_open(engine, path, contract, asked, count)
    counts = zip(checks, counted.broken, strict=True)
    broken = [(c, n) for c, n in counts if n > c.allowed * counted.rows]
    found = [Violation(c.column, c.rule, c.expected, n) for c, n in broken]
    selects = [_rows_of(relation, [c for c, _ in broken], table)] if broken else []
    for key in _keys(contract):
        if again := engine.rows(_repeated_count(relation, contract, key))[0][0]:
            found.append(Violation(", ".join(key), "unique", "no second time", int(again)))
            selects.append(_repeated_rows(relation, contract, key, table))
    sql = f"({' union all '.join(selects)})" if selects else None
    bad = found[0].count if len(found) == 1 else bad_rows(engine, sql)
    return Findings(
        rows=counted.rows,
        bad_rows=bad,
        violations=tuple(with_examples(engine, found, sql)) if sql else (),
        newest=counted.newest,
        timeless=counted.timeless,
        rows_sql=sql,
    )


def stale(contract: Contract, newest: datetime | None, clock: datetime | None) -> Violation | None:
    """The violation of `freshness`, if the newest value is too old for `as_of`, else `clock`."""
    fresh = contract.freshness
    if fresh is None:
        return None
    at = parse_moment(fresh.as_of) if fresh.as_of else clock
    if newest is not None and (at is None or at - newest <= fresh.max_age):
        return None
    expected = f"at most {format_duration(fresh.max_age)} before {at}"
    return Violation(fresh.column, "freshness", expected, 0, (BadRow(0, str(newest)),))


def rejected_sql(selects: Sequence[str]) -> str:
    """SQL of `data/rejected.parquet`: table, row, column, rule, value; in a fixed order."""
    union = " union all ".join(f"select *, {i} as part from {s}" for i, s in enumerate(selects))
    everything = f"({union})" if selects else f"(select *, 0 as part from ({_NO_ROWS}))"
    columns = ", ".join(quote(c) for c in _COLUMNS)
    return f'select {columns} from {everything} order by part, "row", place, "column", rule'


def missing_time_sql(engine: Engine, path: Path, contract: Contract, time: str, table: str) -> str:
    """SQL of the rows without a time, which no split or join can place, as rejected rows."""
    relation = engine.typed_with_source(path, {time: contract.forms[time]})
    condition = Condition(time, "time", "", f"{quote(time)} is null", "null::varchar")
    return f"({_rows_of(relation, [condition], table)})"


def find_unconsented(
    engine: Engine, path: Path, contract: Contract, condition: str, table: str
) -> Unconsented:
    """The rows of a table for which `condition`, on the contract's column of consent, is true."""
    name = contract.consent or ""
    relation = engine.typed_with_source(path, {name: contract.forms[name]})
    broken = Condition(name, "consent", "", condition, "null::varchar")
    ((count,),) = engine.rows(f"select count_if({condition}) from {relation}")
    return Unconsented(int(count), f"({_rows_of(relation, [broken], table)})")


def _check_rule(engine: Engine, relation: str, rule: Rule) -> None:
    check_condition(engine, rule)
    try:
        # WHERE takes no aggregate and no window; TRY no subquery.
        engine.rows(f"select 1 from {relation} where try({rule.expr}) limit 0")
        kind = engine.rows(f"describe select ({rule.expr}) as answer from {relation}")[0][1]
    except DataError as e:
        raise UsageError(
            f"the rule {rule.name!r} of the contract: {e.message}",
            hint="a rule is a condition on the columns of one row, such as arr >= dep",
        ) from e
    if kind != "BOOLEAN":
        raise UsageError(
            f"the rule {rule.name!r} of the contract is {kind}, not true or false",
            hint="compare it with something",
        )


def _rows_of(relation: str, broken: Sequence[Condition], table: str) -> str:
    # One pass, however many rules are broken: each row brings its list of broken rules.
    reasons = ", ".join(
        f"{{'bad': coalesce({c.sql}, false), 'column': {literal(c.column)}, "
        f"'rule': {literal(c.rule)}, 'value': {c.value}, 'place': {i}}}"
        for i, c in enumerate(broken)
    )
    return (
        f'select {literal(table)} as "table", {ROW} as "row", reason."column" as "column", '
        f"reason.rule as rule, reason.value as value, reason.place as place "
        f"from (select {ROW}, unnest([{reasons}]) as reason from {relation}) where reason.bad"
    )


def _keys(contract: Contract) -> list[tuple[str, ...]]:
    alone = [(name,) for name, column in contract.columns.items() if column.unique]
    return list(dict.fromkeys([*alone, *contract.unique]))


def _present(contract: Contract, key: Sequence[str]) -> str:
    return " and ".join(f"not {is_missing(name, contract.columns[name])}" for name in key)


def _repeated_count(relation: str, contract: Contract, key: Sequence[str]) -> str:
    # Memory follows the number of keys here, and no more than the engine's limit: it spills.
    columns = ", ".join(quote(name) for name in key)
    return (
        f"select coalesce(sum(n - 1), 0) from (select count(*) as n from {relation} "
        f"where {_present(contract, key)} group by {columns} having count(*) > 1)"
    )


def _repeated_rows(relation: str, contract: Contract, key: Sequence[str], table: str) -> str:
    columns = ", ".join(quote(name) for name in key)
    values = ", ".join(f"cast({quote(name)} as varchar)" for name in key)
    name = literal(", ".join(key))
    return (
        f'select {literal(table)} as "table", {ROW} as "row", {name} as "column", '
        f"'unique' as rule, concat_ws(', ', {values}) as value, 1000000 as place from "
        f"(select *, row_number() over (partition by {columns} order by {ROW}) as nth "
        f"from {relation} where {_present(contract, key)}) where nth > 1"
    )
