"""The stage `validate`: hold the tables to their contracts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from mlops_cli._files import write_text
from mlops_cli._json import pretty_json
from mlops_cli.config.paths import REJECTED, VALIDATE_REPORT
from mlops_cli.config.project import Project
from mlops_cli.contracts.consent import check_purpose, without_consent
from mlops_cli.contracts.counting import Count
from mlops_cli.contracts.distributed import counting
from mlops_cli.contracts.findings import BadRow, Findings, TableReport, Violation, joined
from mlops_cli.contracts.model import Contract, read_contract
from mlops_cli.contracts.others import Table
from mlops_cli.contracts.published import published_profile
from mlops_cli.contracts.scan import (
    Unconsented,
    find_unconsented,
    missing_time_sql,
    rejected_sql,
    scan,
    stale,
    structure,
)
from mlops_cli.contracts.whole import has_table_rules, hold_table
from mlops_cli.errors import DataError, UsageError
from mlops_cli.progress import QUIET, Progress
from mlops_cli.tables import open_project_engine
from mlops_cli.tables.base import Engine


@dataclass(frozen=True, slots=True)
class ValidateResult:
    """What validation found; `rejected` counts the rows that the stages after it leave out."""

    passed: bool
    on_bad_rows: Literal["fail", "quarantine", "warn"]
    max_bad_share: float
    rejected: int
    tables: tuple[TableReport, ...]
    report: str = VALIDATE_REPORT


@dataclass(frozen=True, slots=True)
class _Held:
    """A table with its contract, and what was found."""

    table: str
    contract_file: str
    contract: Contract
    found: Findings
    structural: bool = False
    timeless: str | None = None
    """SQL of the rows without a time, which no split can place."""
    unconsented: Unconsented | None = None
    remarks: tuple[str, ...] = ()


def validate(project: Project, *, progress: Progress = QUIET, now: bool = False) -> ValidateResult:
    """Hold the main table and every joined one to its contract.

    Writes `data/rejected.parquet` (the rows that later stages leave out, each with column, rule
    and value) and `reports/validate.json`, both before anything is raised. With `now` freshness
    is held to the wall clock and nothing is written: what a cached stage wrote may not depend on
    the clock.

    Raises `DataError` where a table breaks its contract and `on_bad_rows` does not forgive it,
    `UsageError` for a contract that is missing or wrong.
    """
    with tempfile.TemporaryDirectory() as aside, open_project_engine(project) as engine:
        with counting(project) as count:
            held = [_hold(engine, project, table, count, progress) for table in project.contracts]
        held = list(_with_table_rules(engine, project, held, Path(aside)))
        held = [_withheld(table, project.config.data.sensitive) for table in held]
        clock = datetime.now(UTC).replace(tzinfo=None) if now else _newest(held)
        held = [_with_freshness(table, clock) for table in held]
        selects = _rejected(project, held)
        result = _result(project, held, _count(engine, selects))
        if not now:
            engine.write_parquet(rejected_sql(selects), project.root / REJECTED)
            write_text(project.root / VALIDATE_REPORT, report_json(result))
    _judge(project, result, held, progress, listed=not now)
    return result


def report_json(result: ValidateResult) -> str:
    """The content of `reports/validate.json`: the same bytes for the same data and contracts."""
    return pretty_json(result)


def _hold(engine: Engine, project: Project, table: str, count: Count, progress: Progress) -> _Held:
    contract, contract_file = read_contract(project, table), project.contracts[table]
    check_purpose(contract, contract_file, project.config.data.purpose)
    progress.update(f"{table} against {contract_file}")
    path = project.root / table
    time = _time_of(project, table, contract_file, contract)
    if faults := structure(engine, path, contract):
        found = Findings(rows=0, bad_rows=0, violations=faults)
        return _Held(table, contract_file, contract, found, structural=True)
    found = scan(engine, path, contract, table=table, ordered_by=time, count=count)
    unconsented = _unconsented(engine, project, table, contract)
    timeless = None
    if time and found.timeless:
        timeless = missing_time_sql(engine, path, contract, time, table)
    return _Held(table, contract_file, contract, found, timeless=timeless, unconsented=unconsented)


def _with_table_rules(
    engine: Engine, project: Project, held: Sequence[_Held], aside: Path
) -> Iterator[_Held]:
    """Each table held to the rules that take all of it, or another one, too."""
    tables = {
        Path(h.contract_file).stem: Table(
            h.table, Path(h.contract_file).stem, project.root / h.table, h.contract
        )
        for h in held
        if not h.structural
    }
    for one in held:
        table = tables.get(Path(one.contract_file).stem)
        if table is None or not has_table_rules(one.contract):
            yield one
            continue
        profile = published_profile(project.root, table.name, one.contract)
        more = hold_table(engine, table, tables, profile=profile, aside=aside)
        yield replace(one, found=joined(engine, one.found, more), remarks=more.remarks)


def _withheld(held: _Held, sensitive: Sequence[str]) -> _Held:
    """Without the values of personal data that break a rule: the report goes to git."""
    told = tuple(
        replace(v, first=tuple(replace(row, value=None) for row in v.first))
        if v.count and set(v.column.split(", ")) & set(sensitive)
        else v
        for v in held.found.violations
    )
    return replace(held, found=replace(held.found, violations=told))


def _unconsented(
    engine: Engine, project: Project, table: str, contract: Contract
) -> Unconsented | None:
    condition = without_consent(contract, project.config.data.purpose)
    if condition is None:
        return None
    return find_unconsented(engine, project.root / table, contract, condition, table)


def _time_of(project: Project, table: str, contract_file: str, contract: Contract) -> str | None:
    time = project.config.data.time
    if table != project.config.data.table or time is None:
        return None
    if time not in contract.columns:
        raise UsageError(
            f"{contract_file} does not name {time!r}, which mlops.yaml takes as data.time",
            hint=f"add it: {time}: {{type: timestamp}}",
        )
    return time


def _newest(held: Sequence[_Held]) -> datetime | None:
    return max((t.found.newest for t in held if t.found.newest), default=None)


def _with_freshness(held: _Held, clock: datetime | None) -> _Held:
    if held.structural or not (old := stale(held.contract, held.found.newest, clock)):
        return held
    return replace(held, found=replace(held.found, violations=(*held.found.violations, old)))


def _rejected(project: Project, held: Sequence[_Held]) -> list[str]:
    # What cannot be placed in time, or has no consent, is left out even where bad rows are only
    # warned of.
    warns = project.config.validate_.on_bad_rows == "warn"
    selects = []
    for table in held:
        if table.found.rows_sql and not warns:
            selects.append(table.found.rows_sql)
        if table.timeless:
            selects.append(table.timeless)
        if table.unconsented and table.unconsented.count:
            selects.append(table.unconsented.rows_sql)
    return selects


def _count(engine: Engine, selects: Sequence[str]) -> int:
    if not selects:
        return 0
    rows = f'select count(distinct ("table", "row")) from ({rejected_sql(selects)})'
    return int(engine.rows(rows)[0][0])


def _result(project: Project, held: Sequence[_Held], rejected: int) -> ValidateResult:
    config = project.config.validate_
    return ValidateResult(
        passed=not any(_verdict(project, table) for table in held),
        on_bad_rows=config.on_bad_rows,
        max_bad_share=config.max_bad_share,
        rejected=rejected,
        tables=tuple(_report(table) for table in held),
    )


def _report(held: _Held) -> TableReport:
    found = held.found
    return TableReport(
        table=held.table,
        contract=held.contract_file,
        rows=found.rows,
        bad_rows=found.bad_rows,
        bad_share=_share(found),
        newest=found.newest.isoformat() if found.newest else None,
        violations=found.violations,
        without_consent=held.unconsented.count if held.unconsented else None,
    )


def _share(found: Findings) -> float:
    return found.bad_rows / found.rows if found.rows else 0.0


def _verdict(project: Project, held: _Held) -> str | None:
    """Why the table may not pass; None where it may."""
    config, found = project.config.validate_, held.found
    if not found.violations:
        return None
    if held.structural or config.on_bad_rows == "fail":
        return f"{held.table} breaks its contract: " + _told(found.violations)
    if config.on_bad_rows == "warn":
        return None
    if whole := [v for v in found.violations if not v.count]:  # no row can be left out for it
        return f"{held.table} breaks its contract: " + _told(whole)
    if _share(found) > config.max_bad_share:
        return (
            f"{held.table}: {found.bad_rows} of {found.rows} rows ({_share(found):.2%}) break its "
            f"contract, more than max_bad_share {config.max_bad_share:g}: "
            + _told(found.violations)
        )
    return None


def _told(violations: Sequence[Violation]) -> str:
    shown = "; ".join(describe(v) for v in violations[:5])
    return shown if len(violations) <= 5 else f"{shown}; and {len(violations) - 5} more"


def describe(violation: Violation) -> str:
    """One violation as a person reads it: column, rule, count and the first rows."""
    column = f"column {violation.column!r}" if violation.column else "the table"
    if violation.rule == "missing":
        return f"{column} is missing"
    if violation.rule == "extra":
        return f"{column} is not in the contract, which refuses extra columns"
    if violation.rule == "freshness":
        return f"{column} ends at {violation.first[0].value}; allowed is {violation.expected}"
    if not violation.count:
        found = "; ".join(str(row.value) for row in violation.first)
        return f"{column} breaks {violation.rule} ({violation.expected}): {found}"
    rows = ", ".join(_bad_row(r) for r in violation.first[:3])
    what = f"{violation.rule} ({violation.expected})"
    return f"{column} breaks {what} in {violation.count} rows, such as {rows}"


def _bad_row(bad: BadRow) -> str:
    return f"row {bad.row}" + (f" ({bad.value[:40]!r})" if bad.value is not None else "")


def _judge(
    project: Project,
    result: ValidateResult,
    held: Sequence[_Held],
    progress: Progress,
    *,
    listed: bool,
) -> None:
    verdicts = [verdict for table in held if (verdict := _verdict(project, table))]
    if verdicts:
        where = f"{VALIDATE_REPORT} and {REJECTED} list what broke; " if listed else ""
        fix = f"fix the data, or the contract {held[0].contract_file} where the data is right"
        raise DataError("; ".join(verdicts)[:1500], hint=where + fix)
    for table in held:
        if table.found.violations:
            progress.log(f"{table.table}: {_told(table.found.violations)}")
        for remark in table.remarks:
            progress.log(f"{table.table}: {remark}")
        if table.unconsented and table.unconsented.count:
            progress.log(_told_consent(project, table.table, table.unconsented.count))
    if result.rejected:
        progress.log(f"{result.rejected} rows are left out: {REJECTED}")


def _told_consent(project: Project, table: str, count: int) -> str:
    data = project.config.data
    who = next(iter(data.id.subject), "COLUMN") if table == data.table else "COLUMN"
    purpose = f" to {data.purpose}" if data.purpose else ""
    return (
        f"{table}: {count} rows without consent{purpose} are left out; who withdrew it can be "
        f"erased: mlops erase --subject {who}=VALUE"
    )
