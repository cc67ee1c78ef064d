"""Training, `mlops score` and the server give the same number for the same row."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import projects
from mlops_cli._templates import template_folder
from mlops_cli.actions.init import init
from mlops_cli.config.load import load_project
from mlops_cli.contracts.missing import write_missing_contracts
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from parity_harness import check

ROWS = 1_000


def made(project: Path, data: Path, target: str, time: str | None = None) -> Path:
    init(project, data=data, target=target, time=time, git=False)
    return project


def run_stages(root: Path) -> None:
    """The stages that lead to a bundle, in this process: imports are paid once."""
    write_missing_contracts(load_project(projects.with_database(root)))
    for stage in (validate, featurize, tune, train):
        stage(load_project(root))


def edit(project: Path, **sections: object) -> None:
    yaml = YAML()
    config = yaml.load(project / "mlops.yaml")
    config.update({"tune": {"trials": 2, "rounds": 20}, **sections})
    yaml.dump(config, project / "mlops.yaml")


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    """Real flights with a weather join and a row expression."""
    demo = template_folder() / "demo"
    target = "late = arr_delay > 15"
    project = made(tmp_path / "flights", demo / "flights.parquet", target, "time_hour")
    shutil.copyfile(demo / "weather.parquet", project / "data/raw/weather.parquet")
    shutil.copyfile(demo / "mlops.yaml", project / "mlops.yaml")
    return project


def bundled(tmp_path: Path, name: str) -> Path:
    """A project on one of scikit-learn's own small tables, as CSV."""
    from sklearn import datasets

    table = getattr(datasets, f"load_{name}")(as_frame=True).frame
    with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([list(table.columns), *table.itertuples(index=False)])
    return made(tmp_path / name, tmp_path / f"{name}.csv", "target")


@pytest.mark.parametrize("estimator", ["xgboost", "sklearn:linear_model.LogisticRegression"])
def test_binary_with_a_join(flights: Path, estimator: str) -> None:
    edit(flights, train={"estimator": estimator})
    run_stages(flights)
    assert max(check(flights, ROWS).values()) <= 0


@pytest.mark.parametrize("estimator", ["xgboost", "sklearn:ensemble.RandomForestClassifier"])
def test_multiclass(tmp_path: Path, estimator: str) -> None:
    project = bundled(tmp_path, "iris")
    edit(project, train={"estimator": estimator})
    run_stages(project)
    assert max(check(project, ROWS).values()) <= 0


@pytest.mark.parametrize(
    "estimator",
    ["xgboost", "sklearn:linear_model.Ridge", "sklearn:ensemble.HistGradientBoostingRegressor"],
)
def test_regression(tmp_path: Path, estimator: str) -> None:
    project = bundled(tmp_path, "diabetes")
    edit(project, train={"estimator": estimator})
    run_stages(project)
    assert max(check(project, ROWS).values()) <= 0
