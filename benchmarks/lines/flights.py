"""The whole loop on a year of flights against a script by hand."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import flights
from benchmarks.loop import against_script, parts
from benchmarks.measure import wall
from benchmarks.results import Figure, Line

PAIRS = 3


def measure(work: Path) -> Line:
    """`mlops run`: 336,776 flights, weather join, 20 trials."""
    taken = against_script(flights(work), work, PAIRS)
    lost = taken.theirs[-1].said["auc"] - taken.ours[-1].said["auc"]
    return Line(
        title="`mlops run`: 336,776 flights, weather join, 20 trials, against a script by hand",
        figures=(
            Figure("wall", taken.ratio(wall), "x", target=1.25, pairs=PAIRS),
            Figure("AUC lost", lost, "", target=0.01),
            Figure("peak memory", taken.ratio(lambda r: r.peak), "x", pairs=PAIRS),
        ),
        parts=parts(taken),
        note="Both search 20 trials with TPE and Hyperband, each with draws of its own: they do "
        "not run the same rounds, so the ratio moves with the luck of the search.",
    )
