"""The page of the contracts: what each table was held to, what broke, and the runs before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import msgspec

from mlops_cli._files import write_text
from mlops_cli._git import dated_versions
from mlops_cli._templates import render
from mlops_cli.config.paths import CONTRACT_PAGE, VALIDATE_REPORT
from mlops_cli.config.project import Project
from mlops_cli.contracts.findings import TableReport, Violation
from mlops_cli.contracts.held import Asked, rules_of
from mlops_cli.contracts.model import Contract, read_contract
from mlops_cli.errors import DataError, UsageError
from mlops_cli.reports.self_contained import policy

TEMPLATE = "reports/contract.html.j2"
STYLES = ("reports/evaluation.css.j2", "reports/contract.css.j2")
RUNS = 30  # commits that are drawn, and the report as it stands


class _Report(msgspec.Struct, frozen=True):
    """The content of `reports/validate.json`."""

    passed: bool
    on_bad_rows: str
    rejected: int
    tables: tuple[TableReport, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What a commit's report, or with no commit the one that stands now, says of a table."""

    commit: str | None
    at: datetime | None
    rows: int
    bad_rows: int
    broken: int

    @property
    def share(self) -> float:
        """Of the rows, those that break a rule."""
        return self.bad_rows / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """A rule and what was found of it; `found` is None where it is kept."""

    asked: Asked
    found: str | None


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure over the runs, oldest first: heights (0 to 100) of its bars, and it in words."""

    title: str
    heights: Sequence[float]
    broken: Sequence[bool]
    words: str
    most: str


@dataclass(frozen=True, slots=True)
class TablePage:
    """A table: its contract, its rules with those that are broken first, its runs oldest first."""

    table: TableReport
    contract: Contract
    lines: Sequence[Line]
    runs: Sequence[Run]
    trends: Sequence[Trend]


def write_contract_page(project: Project) -> str:
    """Write `reports/contract.html`, whole or not at all; its path.

    The trend is that of `reports/validate.json` in the commits before. Of a broken rule the page
    has the first rows' numbers, and never a value. Raises `UsageError` where nothing was validated,
    `DataError` for a report that is none.
    """
    file = project.root / VALIDATE_REPORT
    if not file.is_file():
        raise UsageError("no table was held to its contract yet", hint="mlops validate")
    now = _read(file.read_bytes())
    if now is None:
        raise DataError(f"{VALIDATE_REPORT} is not what `mlops validate` writes", hint="run it")
    before = [
        (commit, at, report)
        for commit, at, content in dated_versions(project.root, VALIDATE_REPORT, most=RUNS)
        if (report := _read(content)) is not None and report != now
    ]
    pages = [_page(project, table, now, before) for table in now.tables]
    style = "".join(map(render, STYLES))
    text = render(
        TEMPLATE,
        project=project.config.project,
        report=now,
        pages=pages,
        style=style,
        policy=policy(style),
    )
    write_text(project.root / CONTRACT_PAGE, text)
    return CONTRACT_PAGE


_Before = Sequence[tuple[str, datetime, _Report]]


def _read(content: bytes) -> _Report | None:
    try:
        return msgspec.json.decode(content, type=_Report)
    except msgspec.DecodeError:
        return None


def _page(project: Project, table: TableReport, now: _Report, before: _Before) -> TablePage:
    contract = read_contract(project, table.table)
    runs = [
        _run(commit[:12], at, found)
        for commit, at, report in reversed(before)
        for found in report.tables
        if found.table == table.table
    ]
    runs.append(_run(None, None, table))
    return TablePage(table, contract, _lines(contract, table), runs, _trends(runs))


def _run(commit: str | None, at: datetime | None, table: TableReport) -> Run:
    return Run(commit, at, table.rows, table.bad_rows, len(table.violations))


def _lines(contract: Contract, table: TableReport) -> list[Line]:
    """Every rule; what is broken first, and what the contract has no rule of (a missing column)."""
    found = {(v.column, v.rule): v for v in table.violations}
    lines = []
    for asked in rules_of(contract):
        violation = found.pop((asked.column, asked.rule), None)
        lines.append(Line(asked, None) if violation is None else _broken(violation))
    lines += [_broken(v) for v in found.values()]
    return sorted(lines, key=lambda line: line.found is None)


def _broken(violation: Violation) -> Line:
    asked = Asked(violation.column, violation.rule, violation.expected)
    return Line(asked, _told(violation))


def _told(violation: Violation) -> str:
    if not violation.count:
        return "; ".join(str(row.value) for row in violation.first if row.value) or "broken"
    rows = ", ".join(f"{row.row:,}" for row in violation.first)
    return f"{violation.count:,} rows, such as row {rows}"


def _trends(runs: Sequence[Run]) -> list[Trend]:
    if len(runs) < 2:
        return []
    broken = [bool(run.broken) for run in runs]
    rows = [float(run.rows) for run in runs]
    shares = [run.share for run in runs]
    changes = sum(a != b for a, b in pairwise(rows))
    return [
        Trend(
            "Rows",
            _heights(rows),
            broken,
            f"Rows of {len(runs)} runs, {rows[0]:,.0f} to {rows[-1]:,.0f}, changed {changes} times",
            f"{max(rows):,.0f}",
        ),
        Trend(
            "Bad rows",
            _heights(shares),
            broken,
            f"Share of bad rows of {len(runs)} runs, {shares[0]:.2%} to {shares[-1]:.2%}",
            f"{max(shares):.2%}",
        ),
    ]


def _heights(values: Sequence[float]) -> list[float]:
    most = max(values)
    return [round(100 * value / most, 2) if most else 0.0 for value in values]
