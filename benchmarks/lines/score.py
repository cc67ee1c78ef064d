"""Scoring a file of a million flights against predicting a ready matrix."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import table, trained
from benchmarks.measure import Run, median, pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 5
ROWS = 1_000_000
_MANY = 5


def measure(work: Path) -> Line:
    """From Parquet to Parquet, every input in the file, in turns with `inplace_predict`."""
    project = trained(work)
    rows, many = _rows(work, project, ROWS), _rows(work, project, _MANY * ROWS)
    bundle = project / "model"
    taken = pairs(
        lambda: _ours(project, rows, work),
        lambda: run(python("by_hand/score.py", bundle, rows), work),
        PAIRS,
        warm=True,
    )
    larger = _ours(project, many, work)
    grown = larger.peak / median(taken.ours, lambda r: r.peak)
    return Line(
        title="`score` of 1 M flights against `inplace_predict` on ready arrays; memory at 5 M",
        figures=(
            Figure("time", taken.ratio(work_seconds), "x", target=2.5, pairs=PAIRS),
            Figure("peak memory, 5 M against 1 M rows", grown, "x", target=1.25),
        ),
        parts={
            "score": work_parts(taken.ours),
            "inplace_predict": work_parts(taken.theirs),
            "score, 5 M rows": work_parts((larger,)),
        },
        note="Without imports. Ours reads Parquet, checks every value, makes the features, "
        "predicts, and writes Parquet; the other side predicts a matrix that is ready.",
    )


def _rows(work: Path, project: Path, rows: int) -> Path:
    """The project's flights with their weather beside them, repeated to the number of rows."""
    features = project / "data/features.parquet"
    raw = f"select * exclude (__row__, __time__, __target__, dow) from '{features}'"
    return table(
        work, f"score_{rows}", f"select * exclude n from ({raw}), range(100) t(n) limit {rows}"
    )


def _ours(project: Path, rows: Path, work: Path) -> Run:
    return run(python("ours/score.py", project, rows, work / "scored.parquet"), work)
