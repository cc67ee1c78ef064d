"""The memory of a search on a large table against XGBoost's own matrix of it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import numbers, proposed_project
from benchmarks.measure import Run, program, python, run
from benchmarks.results import Figure, Line

ROWS, COLUMNS = 4_000_000, 34


def measure(work: Path) -> Line:
    """`mlops tune` of four trials beside `QuantileDMatrix` of the same rows."""
    project, data = work / "tuned", numbers(work, ROWS, COLUMNS)
    proposed_project(project, data, "y", tune="{trials: 4, rounds: 30}")
    mlops = program("mlops")
    for stage in ("validate", "featurize"):
        run([mlops, stage], project)
    ours = run([mlops, "tune"], project)
    theirs = run(python("by_hand/quantile_matrix.py", data), work)
    return Line(
        title=f"Memory of a search on {ROWS:,} x {COLUMNS} against XGBoost's own matrix",
        figures=(Figure("peak memory", ours.largest / theirs.largest, "x", target=1.0),),
        parts={"mlops tune": _parts(ours), "QuantileDMatrix": _parts(theirs)},
        note="The resident memory of the largest process at its peak. Four trials of 30 rounds on "
        "three fifths of the rows, judged by a fifth. By hand: all rows as one matrix of 32-bit "
        "floats, column by column, and `QuantileDMatrix` of it; no trial.",
    )


def _parts(one: Run) -> dict[str, float]:
    return {"peak memory, MB": one.largest / 1e6, "whole, s": one.wall}
