"""What a run takes beyond what every way to a model takes: its search and its fit."""

from __future__ import annotations

from pathlib import Path

from benchmarks.data import numbers, proposed_project
from benchmarks.measure import program, python, run
from benchmarks.results import Figure, Line

ROWS, COLUMNS = 1_000_000, 30


def measure(work: Path) -> Line:
    """`mlops run`, and then its search and its fit once more, by a clock of their own."""
    project = work / "million"
    proposed_project(project, numbers(work, ROWS, COLUMNS), "y", tune="{trials: 2, rounds: 50}")
    whole = run([program("mlops"), "run", "--json"], project)
    again = run(python("ours/search_and_fit.py", project), project).said
    stages = {s["name"]: s["seconds"] or 0.0 for s in whole.said["result"]["stages"]}
    rest = whole.wall - again["search"] - again["fit"]
    return Line(
        title=f"`mlops run` of {ROWS:,} x {COLUMNS}",
        figures=(Figure("all but search and fit", rest, "s", target=10),),
        parts={
            "mlops run": {
                **{f"{name}, s": seconds for name, seconds in stages.items()},
                "beyond the stages, s": whole.wall - sum(stages.values()),
                "whole, s": whole.wall,
            },
            "once more": {"tune, s": again["search"], "train, s": again["fit"]},
        },
        note="Two trials of 50 rounds. The search (with the binning of its matrix) and the fit "
        "(with the reading of its matrix) are taken off as a second run of them took.",
    )
