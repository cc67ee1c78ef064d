"""`mlops run` on the flights, beside the same work as one script."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import new_project
from benchmarks.measure import Pairs, Run, program, python, run


def against_script(tables: Path, work: Path, seeds: Sequence[int]) -> Pairs:
    """A pair for each seed: `mlops run` in a new project, and the script with nothing set for it.

    `Run.said` has AUC, rows and parts.
    """
    taken = [(_ours(tables, work, seed), _by_hand(tables, work, seed)) for seed in seeds]
    return Pairs(tuple(a for a, _ in taken), tuple(b for _, b in taken))


def auc_lost(taken: Pairs) -> float:
    """By how much the script's hold-out AUC is above ours, the mean over the pairs."""
    both = zip(taken.ours, taken.theirs, strict=True)
    return statistics.mean(b.said["auc"] - a.said["auc"] for a, b in both)


def _ours(tables: Path, work: Path, seed: int) -> Run:
    project = work / "delays"
    new_project(tables, project, seed)
    taken = run([program("mlops"), "run", "--json"], project)
    auc = json.loads((project / "metrics.json").read_text())["holdout"]["roc_auc"]
    best = json.loads((project / "tune/best.json").read_text())
    stages = {s["name"]: s["seconds"] for s in taken.said["result"]["stages"]}
    rest = taken.wall - sum(stages.values())
    said = {"auc": auc, "rounds": best["rounds_run"], "parts": {**stages, "all else": rest}}
    return Run(taken.wall, taken.cpu, taken.peak, said)


def _by_hand(tables: Path, work: Path, seed: int) -> Run:
    folder = work / "by_hand"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    taken = run(python("by_hand/flights.py", tables, folder, seed), folder)
    rest = taken.wall - sum(taken.said["parts"].values())
    said = {**taken.said, "parts": {**taken.said["parts"], "interpreter": rest}}
    return Run(taken.wall, taken.cpu, taken.peak, said)


def parts(taken: Pairs) -> dict[str, dict[str, float]]:
    """Where the seconds go on either side, in the last pair."""
    return {
        "mlops run": _parts(taken.ours[-1]),
        "script by hand": _parts(taken.theirs[-1]),
    }


def _parts(one: Run) -> dict[str, float]:
    return {
        **{f"{name}, s": seconds for name, seconds in one.said["parts"].items()},
        "whole, s": one.wall,
        "processor time, s": one.cpu,
        "rounds of boosting": one.said["rounds"],
        "peak memory, MB": one.peak / 1e6,
    }
