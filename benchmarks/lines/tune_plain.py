"""The time to the score that a hundred trials of plain Optuna reach."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.data import flights, new_project
from benchmarks.measure import Failed, program, python, run
from benchmarks.results import Figure, Line

PLAIN = 100  # its trials
TRIALS = (20, 40, 80)  # ours, until the score is there


def measure(work: Path, plain: int = PLAIN) -> Line:
    """`mlops tune` and `train`, with more trials until their hold-out's AUC is no lower."""
    project = work / "plain"
    new_project(flights(work), project)
    for stage in ("validate", "featurize"):
        run([program("mlops"), stage], project)
    theirs = run(python("by_hand/plain_optuna.py", project, plain), work)
    taken, parts = 0.0, {}
    for trials in TRIALS:
        _with_trials(project, trials)
        seconds = sum(run([program("mlops"), stage], project).wall for stage in ("tune", "train"))
        auc = json.loads((project / "metrics.json").read_text())["holdout"]["roc_auc"]
        taken += seconds
        parts[f"mlops, {trials} trials"] = {"whole, s": seconds, "hold-out AUC": auc}
        if auc >= theirs.said["auc"]:
            break
    else:
        raise Failed(f"{TRIALS[-1]} trials do not reach the AUC of {theirs.said['auc']:.4f}")
    said = {"whole, s": theirs.wall, "hold-out AUC": theirs.said["auc"]}
    return Line(
        title=f"The score that {plain} unpruned trials of plain Optuna reach on the flights",
        figures=(Figure("time to it", taken / theirs.wall, "x", target=0.25),),
        parts={**parts, "Optuna and `cross_val_score`": said},
        note="The AUC of the hold-out, the same rows on both sides, with the same features and "
        "ranges of parameters. By hand: five folds a trial, 200 rounds each, two threads, as a "
        "tutorial has it. Ours: `mlops tune` and `mlops train`, all of their time.",
    )


def _with_trials(project: Path, trials: int) -> None:
    config = project / "mlops.yaml"
    text = re.sub(r"trials: \d+", f"trials: {trials}", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
