"""Twelve rules on 5 M x 10 against pandera on pandas, Great Expectations and Evidently's tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.data import environment, table
from benchmarks.lines.validate import ROWS, SQL
from benchmarks.measure import Failed, Pairs, pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 3
OTHERS = {  # packages of an environment of its own (None: ours), and how many times faster to be
    "pandera": (None, 6),
    "great_expectations": (("great_expectations>=1.9", "pandas", "pyarrow"), 30),
    "evidently": (("evidently>=0.7.23,<0.8", "pandas<3.1", "pyarrow"), 30),
}
_CONTRACT = """columns:
  id: {type: integer, min: 0}
  a: {type: integer, nullable: true, min: 0, max: 999}
  b: {type: integer, nullable: true, min: 0, max: 99999}
  c: {type: float, nullable: true, min: 0, max: 100}
  d: {type: float, nullable: true, min: 0, max: 143}
  e: {type: integer, nullable: true, min: 0, max: 364}
  f: {type: float, nullable: true, min: 0, max: 17}
  carrier: {type: text, categories: [AA, UA, DL, B6, EV]}
  tail: {type: text, nullable: true, pattern: "N[0-9]{5}"}
  at: {type: timestamp}
"""
_CONFIG = "project: wide\ntask: regression\ndata: {table: data.parquet, target: f}\n"


def measure(work: Path) -> Line:
    """Each in turns with ours; what cannot be installed is said in the note."""
    data = table(work, f"validate_{ROWS}", SQL.format(rows=ROWS))
    projects = {"evidently": _project(data, pattern=False)}
    figures, parts, absent = [], {}, ""
    for name, (packages, least) in OTHERS.items():
        try:
            other = Path(sys.executable) if packages is None else environment(work, name, *packages)
        except Failed as e:
            absent += f" {name} could not be installed: {str(e).splitlines()[-1][:200]}."
            continue
        project = projects.get(name) or _project(data)
        script = Path(python(f"by_hand/rules_{name}.py")[1])
        taken = pairs(
            lambda: run(python("ours/validate.py", project), project),  # noqa: B023  at once
            lambda: run([str(other), str(script), str(data)], project),  # noqa: B023
            PAIRS,
            warm=False,
        )
        figures.append(_figure(name, taken, least))
        parts |= {f"mlops, beside {name}": work_parts(taken.ours), name: work_parts(taken.theirs)}
    return Line(
        title="`validate` of 5 M x 10 with 12 rules against other tools",
        figures=tuple(figures),
        parts=parts,
        note="Without imports, from the Parquet file on every side: theirs are frames of pandas, "
        "whose reading counts. Evidently has no pattern among its metrics of a column: beside it "
        "ours has none either, 11 rules on both sides. Ours holds the ten types, too, and writes "
        "its report. No value is out of its bounds, so the statistics in the file's footer prove "
        f"ten of the rules, and their columns are not read; the other tools read all.{absent}",
    )


def _figure(name: str, taken: Pairs, least: float) -> Figure:
    faster = 1 / taken.ratio(work_seconds)
    return Figure(f"times faster than {name}", faster, "x", least, at_least=True, pairs=PAIRS)


def _project(data: Path, *, pattern: bool = True) -> Path:
    project = data.with_name("twelve" if pattern else "eleven")
    contract = _CONTRACT if pattern else _CONTRACT.replace(', pattern: "N[0-9]{5}"', "")
    (project / "contracts").mkdir(parents=True, exist_ok=True)
    (project / "contracts/data.yaml").write_text(contract, encoding="utf-8")
    (project / "mlops.yaml").write_text(_CONFIG, encoding="utf-8")
    if not (project / "data.parquet").exists():
        os.link(data, project / "data.parquet")
    return project
