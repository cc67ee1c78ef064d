"""Two trials side by side against one after the other, one thread each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from benchmarks.data import flights, new_project
from benchmarks.measure import Failed, Run, pairs, program, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS, TRIALS = 3, 20


def measure(work: Path) -> Line:
    """`tune.workers: auto` on both cores, and on one of them, where it is one worker."""
    project = work / "workers"
    new_project(flights(work), project)
    config = project / "mlops.yaml"
    text = re.sub(r"trials: \d+", f"trials: {TRIALS}", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    for stage in ("validate", "featurize"):
        run([program("mlops"), stage], project)
    script = python("ours/search_and_fit.py", project, "search")
    one_core = [shutil.which("taskset") or "taskset", "-c", "0", *script]
    taken = pairs(lambda: run(script, work), lambda: run(one_core, work), PAIRS, warm=False)
    _check_alike((*taken.ours, *taken.theirs))
    return Line(
        title=f"Two workers against one, one thread each: {TRIALS} trials on the flights",
        figures=(
            Figure(
                "trials a second",
                1 / taken.ratio(work_seconds),
                "x",
                target=1.6,
                at_least=True,
                pairs=PAIRS,
            ),
        ),
        parts={"two workers": work_parts(taken.ours), "one worker": work_parts(taken.theirs)},
        note="The search alone, with the binning of its matrix, which is done once on either side. "
        "`tune/best.json` has the same bytes in all runs, or the line fails.",
    )


def _check_alike(runs: tuple[Run, ...]) -> None:
    if len({one.said["best"] for one in runs}) > 1:
        raise Failed("two workers found another best trial than one")
