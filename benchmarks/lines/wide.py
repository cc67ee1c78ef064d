"""A table with thousands of columns: what grows with them, and not with the rows."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

from benchmarks.data import numbers, proposed_project
from benchmarks.measure import Run, median, pairs, program, python, run, wall
from benchmarks.results import Figure, Line

PAIRS = 3
ROWS, COLUMNS = 5_000, 3_000


def measure(work: Path) -> Line:
    """`mlops tune` in turns with its trials by hand, after everything from `init` to `drift`."""
    project, data = work / "wide", numbers(work, ROWS, COLUMNS)
    mlops = program("mlops")
    started = time.perf_counter()
    proposed_project(project, data, "y", tune="{trials: 10, rounds: 50}")
    run([mlops, "run"], project)
    run([mlops, "drift", "--current", str(data)], project)
    whole = time.perf_counter() - started
    seeds = itertools.count(1)
    taken = pairs(
        lambda: _tune(project, next(seeds)),
        lambda: run(python("by_hand/wide.py", project), project),
        PAIRS,
        warm=False,
    )
    return Line(
        title=f"{ROWS:,} x {COLUMNS:,}: `tune` against its trials by hand; `init` to `drift`",
        figures=(
            Figure("`tune`, wall", taken.ratio(wall), "x", target=1.5, pairs=PAIRS),
            Figure("`init` to `drift`", whole, "s", target=120),
        ),
        parts={"mlops tune": _parts(taken.ours), "XGBoost by hand": _parts(taken.theirs)},
        note="10 trials of at most 50 rounds. By hand: the same features as one matrix, and each "
        "trial with the parameters and the rounds that the search ran, one after the other.",
    )


def _tune(project: Path, seed: int) -> Run:
    """`mlops tune` with a seed of its own: else there is nothing to do."""
    config = project / "mlops.yaml"
    text = config.read_text(encoding="utf-8")
    text = re.sub(r"^train:.*$", f"train: {{seed: {seed}}}", text, flags=re.M)
    config.write_text(text, encoding="utf-8")
    return run([program("mlops"), "tune"], project)


def _parts(runs: tuple[Run, ...]) -> dict[str, float]:
    return {
        "whole, s": median(runs),
        "processor time, s": median(runs, lambda r: r.cpu),
        "peak memory, MB": median(runs, lambda r: r.peak) / 1e6,
    }
