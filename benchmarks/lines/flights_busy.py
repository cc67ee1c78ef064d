"""The whole loop on a machine that has other work, too."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import flights
from benchmarks.loop import against_script, auc_lost, parts
from benchmarks.measure import busy, wall
from benchmarks.results import Figure, Line

SEEDS = (0,)
BUSY = 2


def measure(work: Path) -> Line:
    """The pair of the line `flights` beside two processes that only compute."""
    tables = flights(work)
    with busy(BUSY):
        taken = against_script(tables, work, SEEDS)
    return Line(
        title=f"The same beside {BUSY} busy processes",
        figures=(
            Figure("wall", taken.ratio(wall), "x", target=0.5),
            Figure("AUC lost", auc_lost(taken), ""),
        ),
        parts=parts(taken),
    )
