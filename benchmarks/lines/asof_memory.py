"""The features of 100 million events in bounded memory."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.events import events_project
from benchmarks.measure import python, run
from benchmarks.results import Figure, Line
from mlops_cli import load_project

ROWS = int(os.environ.get("MLOPS_BENCH_MANY_EVENTS", 100_000_000))
LEAST = "4Gi"


def measure(work: Path) -> Line:
    """Once with half of the machine, once with little: the peak against what is given."""
    figures, parts = [], {}
    for name, engine in (
        ("half of the machine", {}),
        (f"engine.memory: {LEAST}", {"memory": LEAST}),
    ):
        project = events_project(work, ROWS, **engine)
        given = load_project(project).memory
        taken = run(python("ours/featurize.py", project), project)
        figures.append(Figure(f"peak memory, {name}", taken.largest / given, "x", target=1.0))
        parts[name] = {
            "given, MB": given / 1e6,
            "peak memory, MB": taken.largest / 1e6,
            "its work, s": float(taken.said["seconds"]),
            "processor time, s": taken.cpu,
        }
    return Line(
        title=f"Memory: {ROWS / 1e6:g} M events joined with {ROWS / 1e7:g} M rows, and 4 windows",
        figures=tuple(figures),
        parts=parts,
        note="The resident memory of the process at its peak, as the system counted it, against "
        "what `engine.memory` gives.",
    )
