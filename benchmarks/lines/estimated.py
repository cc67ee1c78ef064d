"""ROC AUC without labels, against the true one and against NannyML's, on real drifting tables."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path

from benchmarks.data import environment, flights
from benchmarks.measure import Run, python, run
from benchmarks.results import Figure, Line

TABLES = {
    "flights": "late flights by week, June to December",
    "rain": "rain within the hour by fortnight, June to December",
    "employment": "employment in Massachusetts, 2016 on, by 5,000 persons",
    "housing": "Californian housing, by 500 blocks",
}
# It cannot be imported without statsmodels, which it does not name, nor beside pandas 3.
PACKAGES = ("nannyml==0.13.1", "statsmodels", "pandas<3")


def measure(work: Path) -> Line:
    """Each table once: neither side draws anything."""
    theirs = environment(work, "nannyml", *PACKAGES)
    script = python("by_hand/nannyml_estimates.py")[1]
    folder = work / "drifting"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run(python("drifting.py", flights(work), folder), work)
    run([str(theirs), script, "tables", str(folder)], work)
    ratios, parts = {}, {}
    for name in TABLES:
        file = folder / f"{name}.parquet"
        ours = run(python("ours/estimate.py", file), work)
        other = run([str(theirs), script, "estimate", str(file)], work)
        mine, his = _error(ours, ours), _error(other, ours)
        ratios[name] = mine / his
        parts[name] = {
            "windows": float(len(ours.said["true"])),
            "mean error, ours": mine,
            "mean error, NannyML's": his,
            "true one within our interval, of windows": _held(ours),
            "processor time, ours, s": float(ours.said["seconds"]),
            "processor time, NannyML's, s": float(other.said["seconds"]),
        }
    figures = [Figure(TABLES[name], ratio, "x", target=1.05) for name, ratio in ratios.items()]
    mean = Figure("mean of the tables", statistics.mean(ratios.values()), "x", target=1.0)
    return Line(
        title="Error of the ROC AUC estimated without labels, against NannyML's error",
        figures=(*figures, mean),
        parts=parts,
        note="The mean over the windows of the distance between the estimated and the true ROC "
        "AUC. Both sides have the same scores of the same model, and the same labelled rows to "
        "learn from. Neither sees that what rows mean has changed, which is most of the error, and "
        "why the true one lies outside the interval where it has. The last two tables and their "
        "scores come with NannyML; Californian housing is modified by its makers.",
    )


def _error(one: Run, ours: Run) -> float:
    true = ours.said["true"]
    return statistics.mean(abs(one.said["roc_auc"][k] - value) for k, value in true.items())


def _held(ours: Run) -> float:
    low, high, true = (ours.said[k] for k in ("low", "high", "true"))
    return statistics.mean(low[k] <= value <= high[k] for k, value in true.items())
