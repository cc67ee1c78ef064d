"""A pipeline in which nothing has changed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import trained
from benchmarks.measure import median, pairs, program, run, wall
from benchmarks.results import Figure, Line

PAIRS = 7


def measure(work: Path) -> Line:
    """`mlops run` against `dvc repro` in a project that is up to date."""
    project = trained(work)
    taken = pairs(
        lambda: run([program("mlops"), "run"], project),
        lambda: run([program("dvc"), "repro"], project),
        PAIRS,
        warm=True,
    )
    return Line(
        title="Nothing changed: `mlops run` against `dvc repro`",
        figures=(Figure("wall", taken.ratio(wall), "x", target=1.0, pairs=PAIRS),),
        parts={
            "mlops run": {"whole, s": median(taken.ours)},
            "dvc repro": {"whole, s": median(taken.theirs)},
        },
    )
