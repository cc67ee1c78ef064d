"""How long a help page takes: what every command costs before it does anything."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import median, pairs, program, run, wall
from benchmarks.results import Figure, Line

PAIRS = 10


def measure(work: Path) -> Line:
    """`mlops --help` against `dvc --help`."""
    taken = pairs(
        lambda: run([program("mlops"), "--help"], work),
        lambda: run([program("dvc"), "--help"], work),
        PAIRS,
        warm=True,
    )
    return Line(
        title="`mlops --help` against `dvc --help`",
        figures=(Figure("wall", taken.ratio(wall), "x", target=0.75, pairs=PAIRS),),
        parts={
            "mlops": {"whole, s": median(taken.ours)},
            "dvc": {"whole, s": median(taken.theirs)},
        },
    )
