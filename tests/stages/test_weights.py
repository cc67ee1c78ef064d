"""`train.weights`: how much a row counts where models are fitted; and what no weight is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from learning import configure, events, make
from mlops_cli.config.load import load_project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.errors import DataError, UsageError
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from mlops_cli.testing.estimator import FEATURES, make_part
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Part, Problem
from mlops_cli.training.data import read_events
from mlops_cli.training.round_loss import round_loss


def weighed(root: Path, values, estimator: str = "xgboost", **sections):
    """The small project with a column of weights, through featurize."""
    made = make(root, n=len(values))
    table = events(len(values), "binary").append_column("w", pa.array(values, pa.float64()))
    pq.write_table(table, root / "data/raw/events.parquet")
    for file in (root / "contracts").glob("*"):
        file.unlink()
    config = json.loads((root / "mlops.yaml").read_text())
    train_section = {"estimator": estimator, "weights": "w"}
    project = configure(root, {**config, "train": train_section, **sections})
    write_missing_contracts(project)
    validate(project)
    featurize(project)
    assert made.root == project.root
    return project


def test_rows_count_by_their_weight_and_the_weight_is_no_input(tmp_path: Path):
    values = np.where(np.arange(400) % 3, 1.0, 0.0)
    project = weighed(tmp_path / "p", values)
    tune(project)
    assert train(project).golden > 0
    manifest = json.loads((project.root / "model/manifest.json").read_text())
    assert "w" not in {i["name"] for i in manifest["inputs"]}
    read = read_events(project.root, project.config)
    assert read.weights.tolist() == values.tolist()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({3: None, 5: None, 8: -1.0}, "null in 2 rows, negative in 1 rows"),
        ({4: float("inf")}, "infinite or beyond a 32-bit float in 1 rows"),
        (dict.fromkeys(range(60), 0.0), "are 0 in all of 60 rows"),
        (dict.fromkeys(range(36), 0.0), "the training part's 36 rows have no weight above 0"),
    ],
)
def test_what_is_no_weight_is_refused_with_its_rows(tmp_path: Path, change, told: str):
    values = [change.get(i, 1.0) for i in range(60)]
    project = weighed(tmp_path / "p", values)
    with pytest.raises(DataError, match=told):
        tune(project)


@pytest.mark.parametrize(
    ("train_section", "features", "told"),
    [
        ({"weights": "nobody"}, ["x"], "train.weights.*nobody"),
        ({"weights": "kind"}, ["x"], "train.weights names `kind`, which is text and no number"),
        ({"weights": "k"}, ["x", "k"], "the feature `k` reads `k`, which train.weights names"),
        ({"weights": "target"}, ["x"], "train.weights names the target"),
    ],
)
def test_a_weight_is_a_number_of_the_table_and_no_feature(
    tmp_path: Path, train_section, features, told: str
):
    project = make(tmp_path / "p", n=60)
    config = json.loads((project.root / "mlops.yaml").read_text())
    config |= {"train": train_section, "features": {"columns": features}}
    (project.root / "mlops.yaml").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=told):
        featurize(load_project(project.root))


def problem(**given) -> Problem:
    return Problem("binary", FEATURES, 2, "roc_auc", 0, {}, threads=1, weighted=True, **given)


@pytest.mark.parametrize(
    "name",
    [
        "xgboost",
        "lightgbm",
        "catboost",
        "sklearn:linear_model.LogisticRegression",
        "sklearn:ensemble.HistGradientBoostingClassifier",
    ],
)
def test_a_weight_of_two_is_a_row_twice_and_of_none_no_row(name: str):
    pytest.importorskip(name.partition(":")[0])
    whole = make_part("binary", 600)
    weight = np.where(np.arange(600) < 300, 1.0, 0.0)
    half = Part(whole.matrix[:300], whole.target[:300], np.ones(300))
    estimator = open_estimator(name, problem())
    part = Part(whole.matrix, whole.target, weight)
    apart = [estimator.fit(one, {}, 8).predict(whole.matrix[:50]) for one in (part, half)]
    unweighted = estimator.fit(Part(whole.matrix, whole.target), {}, 8).predict(whole.matrix[:50])
    assert np.abs(apart[0] - apart[1]).mean() < np.abs(apart[0] - unweighted).mean()


def test_an_estimator_that_cannot_weigh_is_refused_by_its_name():
    part = make_part("binary", 300)
    weighed = Part(part.matrix, part.target, np.ones(300))
    estimator = open_estimator("sklearn:neighbors.KNeighborsClassifier", problem())
    with pytest.raises(UsageError, match=r"neighbors.KNeighborsClassifier.*cannot weigh rows"):
        estimator.check(weighed, [{}])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_weighted_loss_is_that_of_rows_as_often_as_they_weigh(task):
    rng = np.random.default_rng(3)
    target = rng.integers(0, 3 if task == "multiclass" else 2, 200).astype(np.float64)
    margins = rng.normal(size=(200, 3) if task == "multiclass" else 200)
    times = rng.integers(0, 4, 200)
    again = np.repeat(np.arange(200), times)
    repeated = round_loss(task, target[again], margins[again])
    assert round_loss(task, target, margins, times.astype(float)) == pytest.approx(repeated)
