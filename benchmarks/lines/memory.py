"""How much memory a large table takes in the stages that hold its numbers."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import numbers, proposed_project
from benchmarks.measure import Run, program, run
from benchmarks.results import Figure, Line

ROWS, COLUMNS = 10_000_000, 30
_NUMBER = 4  # bytes of a 32-bit float


def measure(work: Path) -> Line:
    """`mlops featurize` and `mlops tune`: the process' peak against the table as a matrix."""
    project, size = work / "large", ROWS * COLUMNS * _NUMBER
    proposed_project(project, numbers(work, ROWS, COLUMNS), "y", tune="{trials: 2, rounds: 10}")
    mlops = program("mlops")
    run([mlops, "validate"], project)
    featurize, tune = (run([mlops, stage], project) for stage in ("featurize", "tune"))
    return Line(
        title=f"Memory: {ROWS:,} x {COLUMNS} against its {size / 1e9:.2g} GB of 32-bit floats",
        figures=(
            Figure("`featurize`", featurize.largest / size, "x", target=1.2),
            Figure("`tune` with 2 trials", tune.largest / size, "x", target=2),
        ),
        parts={"featurize": _parts(featurize), "tune": _parts(tune)},
        note="The resident memory of the largest process, the stage's own, at its peak.",
    )


def _parts(one: Run) -> dict[str, float]:
    return {"peak memory, MB": one.largest / 1e6, "whole, s": one.wall}
