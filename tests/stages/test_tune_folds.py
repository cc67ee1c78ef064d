"""Folds as what trials are judged by: the mean over them, and few of them where a trial is poor."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import learning
from learning import events, make, reconfigure
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.training.base import Tried
from mlops_cli.training.folded import FoldedTrials

TUNE = {"trials": 5, "rounds": 30}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("folded") / "p", n=400, tune=TUNE)


def best(project) -> dict[str, Any]:
    return json.loads((project.root / "tune/best.json").read_text())


@pytest.mark.parametrize("by", ["time", "stratified"])
def test_trials_are_worth_the_mean_over_folds(made, by):
    project = reconfigure(made, split={"by": by, "folds": 4})
    found = tune(project)
    said = best(project)
    assert said["score"] == found.score == pytest.approx(said["validation"]["roc_auc"])
    assert 0 < said["rounds"] <= 30
    files = [project.root / "tune" / name for name in ("best.json", "trials.csv")]
    first = [file.read_bytes() for file in files]
    again = tune(reconfigure(project, tune={**TUNE, "workers": 3}))
    assert again.score == found.score
    assert [file.read_bytes() for file in files] == first
    assert train(project).rows == 320


@pytest.mark.slow
def test_repeats_draw_folds_anew(made):
    once = tune(reconfigure(made, split={"by": "random", "folds": 3})).score
    often = tune(reconfigure(made, split={"by": "random", "folds": 3, "repeats": 2})).score
    assert once != often


@pytest.mark.slow
def test_an_estimator_without_rounds_is_pruned_across_folds(made):
    project = reconfigure(
        made,
        split={"by": "random", "folds": 6},
        train={"estimator": "sklearn:tree.DecisionTreeClassifier"},
        tune={"trials": 12},
    )
    found = tune(project)
    assert found.pruned > 0
    assert found.rounds is None
    assert train(project).rows == 320


class OneFold:
    """`Trials` and `TrialFit` that count how far each fold was carried."""

    def __init__(self, score: float) -> None:
        self.score, self.ran = score, 0

    def start(self, params: Any) -> OneFold:
        return self

    def advance(self, rounds: int, check: Any) -> Tried:
        self.ran = rounds
        return Tried(self.score, rounds, rounds, False, lambda: np.full(2, self.score))


def test_a_trial_that_is_stopped_early_has_cost_few_folds():
    folds = [OneFold(score) for score in (0.1, 0.2, 0.3, 0.4, 0.5)]
    fit = FoldedTrials(folds, rounds=200).start({})
    seen = []
    for rounds in (10, 30, 90, 200):
        tried = fit.advance(rounds, lambda: None)
        seen.append((sum(fold.ran > 0 for fold in folds), round(tried.score, 3)))
    assert seen == [(2, 0.15), (2, 0.15), (3, 0.2), (5, 0.3)]
    assert tried.predict().tolist() == np.repeat([0.1, 0.2, 0.3, 0.4, 0.5], 2).tolist()


def test_more_folds_than_there_are_rows_for(tmp_path):
    project = make(tmp_path / "p", n=60, task="multiclass", tune={"trials": 1, "rounds": 5})
    with pytest.raises(DataError, match="48 rows cannot make 40 folds"):
        tune(reconfigure(project, split={"by": "random", "folds": 40}))


def rare(n: int) -> pa.Table:
    """A class of which there are four rows, the first ones in time."""
    table = events(n, "multiclass")
    said = ["rare" if i < 4 else c for i, c in enumerate(table["target"].to_pylist())]
    return table.set_column(table.column_names.index("target"), "target", [said])


def test_a_fold_without_a_class(tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "events", lambda n, task: rare(n))
    project = make(tmp_path / "p", n=200, task="multiclass", tune={"trials": 1, "rounds": 5})
    asked = {"metric": "roc_auc_ovr"}
    with pytest.raises(DataError, match=r"undefined on the fold \d part: .*0 are of class"):
        tune(reconfigure(project, split={"by": "stratified", "folds": 10}, train=asked))
    # Log loss does without a class that a fold lacks.
    tune(reconfigure(project, split={"by": "stratified", "folds": 2}, train={}))


def test_parameters_to_try_first_are_of_the_space(made):
    made = reconfigure(made, train={}, split={})
    asked = {"max_depth": 4, "eta": 0.1, "subsample": 0.9, "colsample_bytree": 0.9}
    with pytest.raises(UsageError, match=r"tune\.first\.0: 'min_child_weight' is missing"):
        tune(reconfigure(made, tune={"trials": 2, "rounds": 5, "first": [asked]}))
    first = {**asked, "min_child_weight": 2.0}
    project = reconfigure(made, tune={"trials": 2, "rounds": 5, "first": [first]})
    tune(project)
    line = (project.root / "tune/trials.csv").read_text().splitlines()[1]
    assert line.endswith("0.9,0.1,4,2.0,0.9")
    with pytest.raises(UsageError, match=r"eta is 3\.0, which its range does not have"):
        tune(reconfigure(made, tune={"first": [{**first, "eta": 3.0}]}))
