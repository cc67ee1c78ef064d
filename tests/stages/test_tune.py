"""tune: what it writes, what it logs, and what it refuses before the first trial."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest

from learning import make, reconfigure
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tuned") / "p")


def written(root: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((root / "tune").iterdir())}


def test_it_writes_the_best_trial_and_the_list_of_trials(made):
    found = tune(made)
    best = json.loads((made.root / "tune/best.json").read_text())
    assert best["params"] == dict(found.params)
    assert best["score"] == found.score == pytest.approx(best["validation"]["roc_auc"])
    lines = (made.root / "tune/trials.csv").read_text().splitlines()
    assert lines[0].startswith("trial,state,score,rounds,ran,colsample_bytree")
    assert len(lines) == 5
    assert found.trials == 4
    assert any((made.root / ".mlops/tune").iterdir())


def test_the_same_search_is_the_same_bytes_with_and_without_its_journal(made):
    tune(made)
    first = written(made.root)
    assert tune(made).resumed == 4
    assert written(made.root) == first
    shutil.rmtree(made.root / ".mlops/tune")
    assert tune(made).resumed == 0
    assert written(made.root) == first


def test_trials_are_runs_under_one_parent(made):
    tune(made)
    client = mlflow.MlflowClient(f"sqlite:///{made.root}/mlflow.db")
    ids = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(ids, max_results=500)
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    last = parents[0].info.run_id
    children = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == last]
    assert len(children) == 4
    assert all("max_depth" in r.data.params for r in children)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_and_estimators_without_rounds(tmp_path, task):
    project = make(tmp_path / "p", task=task)
    assert tune(project).rounds > 0
    name = "LogisticRegression" if task == "multiclass" else "Ridge"
    plain = reconfigure(project, train={"estimator": f"sklearn:linear_model.{name}"})
    found = tune(plain)
    assert (found.rounds, found.rounds_run, found.rounds_saved, found.pruned) == (
        None,
        None,
        None,
        0,
    )


def test_an_estimator_without_a_space_is_tried_once(made):
    plain = reconfigure(made, train={"estimator": "sklearn:naive_bayes.GaussianNB"})
    try:
        assert tune(plain).trials == 1
    finally:
        reconfigure(made, train={})


def test_folds_make_the_final_model_an_average(tmp_path):
    project = make(tmp_path / "p", n=1100)
    project = reconfigure(project, tune={"trials": 4, "rounds": 1000})
    tune(project)
    best = json.loads((project.root / "tune/best.json").read_text())
    assert len(best["members"]) >= 4
    assert sum(member["rounds"] for member in best["members"]) <= 1500
    assert sum(member["weight"] for member in best["members"]) == pytest.approx(1)
    assert best["unseen"]["log_loss"] < 0.6
    train(project)
    model = read_ubjson((project.root / "model/model.ubj").read_bytes())
    trees = model["learner"]["gradient_booster"]["model"]["trees"]
    assert len(trees) == sum(member["rounds"] for member in best["members"])
    tune(reconfigure(project, tune={"trials": 4, "rounds": 1000, "finish": False}))
    plain = json.loads((project.root / "tune/best.json").read_text())
    assert (plain["members"], plain["unseen"]) == ([], {})
    assert (plain["params"], plain["rounds"]) == (best["params"], best["rounds"])


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"train": {"estimator": "sklearn:svm.SVR"}, "task": "regression"}, "cannot be served"),
        ({"train": {"estimator": "sklearn:os.system"}}, "does not have"),
        ({"train": {"metric": "roc_aux"}}, "no metric"),
        ({"tune": {"space": {"depth": {"int": [1, 3]}}}}, "no parameter"),
        (
            {"tune": {"space": {"eta": {"float": [0.1, 0.2]}}}, "train": {"params": {"eta": 1}}},
            "eta",
        ),
        ({"train": {"monotone": {"kind": "increasing"}}}, "'kind', a category"),
        ({"train": {"monotone": {"xx": "increasing"}}}, "'xx', which is no feature"),
        ({"train": {"monotone": {"x": "increasing"}}, "task": "multiclass"}, "several classes"),
        (
            {
                "train": {
                    "monotone": {"x": "increasing"},
                    "estimator": "sklearn:linear_model.LogisticRegression",
                }
            },
            "cannot keep to a direction",
        ),
        (
            {
                "train": {
                    "monotone": {"x": "increasing"},
                    "params": {"monotone_constraints": "(1,0,0,0,0)"},
                }
            },
            "the same twice",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_trial(tmp_path, sections, said):
    project = make(tmp_path / "p", n=120, task=sections.get("task", "binary"))
    with pytest.raises(UsageError, match=said):
        tune(reconfigure(project, **sections))
    assert not (project.root / "tune").exists()
    assert not list(project.root.glob(".mlops/tune/*"))


def test_a_metric_that_the_hold_out_leaves_undefined_is_said_first(tmp_path):
    project = make(tmp_path / "p", n=100)
    file = project.root / "data/features.parquet"
    table = pq.read_table(file)
    target = table["__target__"].to_pylist()
    target[80:] = [False] * 20
    i = table.column_names.index("__target__")
    pq.write_table(table.set_column(i, "__target__", [target]), file)
    with pytest.raises(DataError, match="hold-out part"):
        tune(project)


def test_a_store_that_cannot_be_used_is_told_before_the_first_trial(made):
    shutil.rmtree(made.root / ".mlops/tune", ignore_errors=True)
    broken = made.root / "broken.db"
    broken.write_text("no database")
    try:
        with pytest.raises(EnvironmentFault, match="not a database"):
            tune(reconfigure(made, tracking={"uri": f"sqlite:///{broken}"}))
    finally:
        reconfigure(made, tracking={})
    assert not (made.root / ".mlops/tune").exists()
