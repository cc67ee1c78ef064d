"""`train.select`: which features stay is found out on the rows that a fit may see alone."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import learning
from learning import make, reconfigure
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.bundling.selection import Selecting, selecting_of
from mlops_cli.errors import DataError, UsageError
from mlops_cli.evaluation.report import read_report
from mlops_cli.reports.evaluation.markdown import evaluation_lines
from mlops_cli.reports.evaluation.page import evaluation_page
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.training.data import problem_of, read_events

METHODS = ["mutual_information", "rfe", "shap"]
NOISE = [f"noise_{i}" for i in range(12)]
_events = learning.events


def noisy(n: int, task: str) -> pa.Table:
    """The small table with columns that know nothing of the target."""
    table, rng = _events(n, task), np.random.default_rng(7)
    for name in NOISE:
        table = table.append_column(name, pa.array(rng.normal(size=n)))
    return table


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    @cache
    def of(task: str):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(learning, "events", noisy)
            return make(
                tmp_path_factory.mktemp("select") / task,
                task=task,
                n=600,
                features={"columns": ["x", "k", "kind", "open", *NOISE]},
                tune={"trials": 2, "rounds": 30},
            )

    return of


def best(project) -> dict[str, Any]:
    return json.loads((project.root / "tune/best.json").read_text())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("method", METHODS)
def test_what_tells_of_the_target_stays(made, task, method):
    project = reconfigure(made(task), train={"select": {"method": method, "keep": 2}})
    events = read_events(project.root, project.config)
    chosen = selecting_of(project.config, events).selection()
    assert set(chosen.features) == {"x", "kind"}
    assert [d.name for d in chosen.dropped] != [d.name for d in chosen.dropped][::-1]
    assert len(chosen.features) + len(chosen.dropped) == 16


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_a_fit_may_not_see_choose_nothing(made, method):
    project = reconfigure(made("binary"), train={"select": {"method": method, "keep": 8}})
    events = read_events(project.root, project.config)
    target = events.target.copy()
    others = np.setdiff1d(np.arange(len(target)), events.split.train)
    target[others] = 1 - target[others]
    turned = replace(events, target=target)
    rows = events.split.train
    problem = problem_of(project.config, events, events.features(rows))
    one, other = (
        Selecting(project.config, e, 8).narrowed(problem, rows).features for e in (events, turned)
    )
    assert one == other
    fitted = events.split.fitted
    seen = Selecting(project.config, turned, 8).narrowed(problem, fitted).features
    assert seen != Selecting(project.config, events, 8).narrowed(problem, fitted).features


def test_a_model_needs_what_was_selected_and_nothing_else(made):
    project = reconfigure(
        made("binary"),
        train={
            "select": {"method": "mutual_information"},
            "calibrate": "sigmoid",
            "monotone": {"x": "increasing", "noise_3": "increasing"},
        },
        evaluate={"slices": ["noise_1 > 0"]},
    )
    tune(project)
    chosen = best(project)["selection"]
    assert {"x", "kind"} <= set(chosen["features"]) <= {"x", "kind", "k", "open", *NOISE[:]}
    assert len(chosen["features"]) < 9
    assert [s["features"] for s in chosen["sizes"]] == [16, 12, 9, 7, 5, 4, 3, 2, 1]
    train(project)
    bundle = open_bundle(project.root / "model")
    names = [f.name for f in bundle.manifest.features]
    assert names == chosen["features"]
    assert {i.name for i in bundle.manifest.inputs} == set(names)
    assert [t.name for t in bundle.trees().features] == names
    event = {"x": 12.0, "kind": "b", "k": 3, "open": True, **dict.fromkeys(NOISE, 0.0)}
    asked = {name: event[name] for name in names}
    assert 0 < open_predictor(bundle).predict([asked])[0]["probability"] < 1
    report = read_report(project.root)
    page, card = evaluation_page("small", report), "\n".join(evaluation_lines(report))
    gone = chosen["dropped"][0]["name"]
    for said in (page, card):
        assert "What it does without" in said
        assert gone.replace("_", r"\_") in said or gone in said
    assert [s.name for s in report.slices] == ["noise_1 > 0"]


@pytest.mark.slow
def test_noise_that_was_chosen_is_not_praised_by_the_rows_that_judge(tmp_path, monkeypatch):
    def chance(n: int, task: str) -> pa.Table:
        rng = np.random.default_rng(3)
        table = _events(n, task).select(["at"])
        for i in range(120):
            table = table.append_column(f"c{i}", pa.array(rng.normal(size=n)))
        return table.append_column("target", pa.array(rng.random(n) < 0.5))

    monkeypatch.setattr(learning, "events", chance)
    project = make(
        tmp_path / "p",
        n=150,
        features={"columns": [f"c{i}" for i in range(120)]},
        tune={"trials": 1, "rounds": 20},
        split={"by": "random", "folds": 4},
        train={"select": {"method": "mutual_information", "keep": 4}},
    )
    assert tune(project).score < 0.62  # chosen by all rows, noise has 0.64 on average


def test_the_same_rows_choose_the_same_and_workers_change_nothing(made):
    asked = {"select": {"method": "shap", "keep": 5}}
    project = reconfigure(made("binary"), train=asked, split={"folds": 3, "by": "random"})
    tune(project)
    first = (project.root / "tune/best.json").read_bytes()
    tune(reconfigure(project, tune={"trials": 2, "rounds": 30, "workers": 3}))
    assert (project.root / "tune/best.json").read_bytes() == first


@pytest.mark.parametrize(
    ("section", "kind", "told"),
    [
        ({"method": "shap", "keep": 17}, UsageError, "keep is 17, and there are 16 features"),
        ({"method": "rfe", "keep": 3}, UsageError, "does not say how much it uses each feature"),
    ],
)
def test_what_cannot_be_selected_is_refused(made, section, kind, told):
    asked = {"estimator": "sklearn:neighbors.KNeighborsClassifier", "select": section}
    with pytest.raises(kind, match=told):
        tune(reconfigure(made("binary"), train=asked, split={}))


def test_a_table_too_small_for_folds(tmp_path):
    project = make(tmp_path / "p", task="regression", n=12, train={"select": {"method": "shap"}})
    with pytest.raises(DataError, match=r"train\.select.*folds"):
        tune(project)


def test_features_that_were_not_chosen_yet(made):
    project = reconfigure(made("binary"), train={}, split={})
    tune(project)
    with pytest.raises(DataError, match=r"best\.json has no features that train\.select asks for"):
        train(reconfigure(project, train={"select": {"method": "shap", "keep": 3}}))


@pytest.mark.slow
def test_the_hold_out_is_read_for_no_choice(made, tmp_path):
    project = reconfigure(made("binary"), train={"select": {"method": "shap"}}, split={})
    tune(project)
    first = best(project)["selection"]
    file = project.root / "data/features.parquet"
    table = pq.read_table(file)
    events = read_events(project.root, project.config)
    turned = np.asarray(table["__target__"]).copy()
    turned[events.split.holdout] = ~turned[events.split.holdout]
    at = table.column_names.index("__target__")
    pq.write_table(table.set_column(at, "__target__", pa.array(turned)), file)
    tune(project)
    assert best(project)["selection"] == first
