"""A contract of ten columns against one SELECT by hand, and what memory it takes."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.data import table
from benchmarks.measure import Run, median, pairs, python, run, wall, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 5
ROWS = 5_000_000
_MANY = 10
SQL = """
select i as id, (hash(i) % 1000)::integer as a, (hash(i + 1) % 100000)::bigint as b,
       (hash(i + 2) % 10000) / 100.0::double as c, (hash(i + 3) % 1000) / 7.0::double as d,
       (hash(i + 4) % 365)::smallint as e, (hash(i + 5) % 50) / 3.0::double as f,
       ['AA', 'UA', 'DL', 'B6', 'EV'][(hash(i + 6) % 5)::integer + 1] as carrier,
       'N' || (10000 + hash(i + 7) % 90000) as tail,
       timestamp '2013-01-01' + to_minutes((i % 500000)::integer) as at
from range({rows}) t(i)
"""
_CONTRACT = """columns:
  id: {type: integer, min: 0}
  a: {type: integer, min: 0, max: 999}
  b: {type: integer, min: 0, max: 99999}
  c: {type: float, min: 0, max: 100}
  d: {type: float, min: 0, max: 143}
  e: {type: integer, min: 0, max: 364}
  f: {type: float, min: 0, max: 17}
  carrier: {type: text, categories: [AA, UA, DL, B6, EV]}
  tail: {type: text, pattern: "N[0-9]{5}"}
  at: {type: timestamp}
"""
_CONFIG = """project: wide
task: regression
data: {table: data.parquet, target: f, time: at}
features: {columns: [a]}
"""


def measure(work: Path) -> Line:
    """5 M rows in turns with the SELECT, the same with a key; then 50 M once, for the memory."""
    project, keyed = _project(work, ROWS), _project(work, ROWS, unique=True)
    taken = pairs(lambda: _ours(project), lambda: _by_hand(project), PAIRS, warm=True)
    with_key = pairs(lambda: _ours(keyed), lambda: _by_hand(keyed, "id"), PAIRS, warm=False)
    many = _ours(_project(work, _MANY * ROWS))
    grown = many.peak / median(taken.ours, lambda r: r.peak)
    return Line(
        title="`validate` of 5 M x 10 against one DuckDB SELECT by hand; memory at 5 M and 50 M",
        figures=(
            Figure("time", taken.ratio(work_seconds), "x", target=1.5, pairs=PAIRS),
            Figure("peak memory, 50 M against 5 M rows", grown, "x", target=1.25),
            Figure("whole process", taken.ratio(wall), "x", pairs=PAIRS),
            Figure("time, with a unique key", with_key.ratio(work_seconds), "x", pairs=PAIRS),
        ),
        parts={
            "validate": work_parts(taken.ours),
            "SELECT by hand": work_parts(taken.theirs),
            "validate, 50 M rows": work_parts((many,)),
        },
        note="Without imports. The same checks on both sides; ours also reads the contract, holds "
        "the file to its columns, and writes its report. A unique key takes a query of its own on "
        "either side, and memory for the keys.",
    )


def _project(work: Path, rows: int, *, unique: bool = False) -> Path:
    data = table(work, f"validate_{rows}", SQL.format(rows=rows))
    project = data.with_name("keyed" if unique else "plain")
    (project / "contracts").mkdir(parents=True, exist_ok=True)
    contract = _CONTRACT.replace("id: {", "id: {unique: true, ") if unique else _CONTRACT
    (project / "contracts/data.yaml").write_text(contract, encoding="utf-8")
    (project / "mlops.yaml").write_text(_CONFIG, encoding="utf-8")
    if not (project / "data.parquet").exists():
        os.link(data, project / "data.parquet")
    return project


def _ours(project: Path) -> Run:
    return run(python("ours/validate.py", project), project)


def _by_hand(project: Path, *key: str) -> Run:
    return run(python("by_hand/validate.py", project / "data.parquet", *key), project)
