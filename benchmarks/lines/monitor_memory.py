"""What memory monitoring takes: a month of a hundred million logged predictions."""

from __future__ import annotations

from pathlib import Path

from benchmarks.logged import spread, watched
from benchmarks.measure import Run, program, run
from benchmarks.results import Figure, Line

DAYS = 30
FEW, MANY = 1_000_000, 100_000_000


def measure(work: Path) -> Line:
    """The command over 30 days of a million rows, and over 30 days of a hundred million."""
    few, many = (_run(work, rows) for rows in (FEW, MANY))
    return Line(
        title="`monitor` of 30 days: memory at 100 M and at 1 M logged predictions",
        figures=(
            Figure("peak memory, 100 M against 1 M rows", many.peak / few.peak, "x", target=1.3),
            Figure("time a million rows", many.wall * 1e6 / MANY, "s"),
        ),
        parts={f"{n:,} rows": _parts(one) for n, one in ((FEW, few), (MANY, many))},
        note="The whole process, with 30 windows of a day each; labels have come of the first.",
    )


def _run(work: Path, rows: int) -> Run:
    log = watched(work, f"monitor_{rows}", rows // DAYS)
    spread(log, DAYS)
    (log.project / "monitoring/windows.jsonl").unlink(missing_ok=True)
    return run([program("mlops"), "monitor"], log.project)


def _parts(one: Run) -> dict[str, float]:
    return {"peak memory, MB": one.peak / 1e6, "whole, s": one.wall}
