"""The whole loop on a year of flights against a script by hand."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import flights
from benchmarks.loop import against_script, auc_lost, parts
from benchmarks.measure import wall
from benchmarks.results import Figure, Line

SEEDS = (0, 1, 2)


def measure(work: Path) -> Line:
    """`mlops run`: 336,776 flights, weather join, 20 trials."""
    taken = against_script(flights(work), work, SEEDS)
    return Line(
        title="`mlops run`: 336,776 flights, weather join, 20 trials, against a script by hand",
        figures=(
            Figure("wall", taken.ratio(wall), "x", target=0.75, pairs=len(SEEDS)),
            Figure("AUC lost", auc_lost(taken), "", target=0.002, pairs=len(SEEDS)),
            Figure("peak memory", taken.ratio(lambda r: r.peak), "x", pairs=len(SEEDS)),
        ),
        parts=parts(taken),
        note="A pair for each of three seeds. Both search 20 trials with TPE and Hyperband, each "
        "with draws of its own: they do not run the same rounds, so the ratio moves with the luck "
        "of the search. The script runs with its user's environment: its threads spin.",
    )
