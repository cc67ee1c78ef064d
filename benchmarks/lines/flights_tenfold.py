"""The whole loop on ten years of flights: what grows with the rows."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import flights_tenfold
from benchmarks.loop import against_script, parts
from benchmarks.measure import wall
from benchmarks.results import Figure, Line

SEEDS = (0,)


def measure(work: Path) -> Line:
    """`mlops run`: 3.4 million flights, weather join, 20 trials."""
    taken = against_script(flights_tenfold(work), work, SEEDS)
    return Line(
        title="The same with 3.4 million flights",
        figures=(
            Figure("wall", taken.ratio(wall), "x", target=1.15),
            Figure("peak memory", taken.ratio(lambda r: r.peak), "x", target=1.0),
        ),
        parts=parts(taken),
    )
