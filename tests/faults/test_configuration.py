"""A configuration or a contract that is wrong: every fault is told before any stage works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from command_line import Mlops
from mlops_cli.stages import stage
from said import check, leftovers

WHOLE_FILES = {
    "not-yaml": b"project: [",
    "empty-configuration": b"",
    "a-list": b"- 1\n",
    "tabs": b"project:\tp\n\ttask: binary\n",
    "not-utf-8-configuration": "project: ä\n".encode("latin-1"),
    "a-key-twice": b"project: p\nproject: q\n",
}
SEARCHED = {"max_depth": {"int": [3, 10]}}
COSTS = {"false_positive": 1, "false_negative": 6}
EDITS: dict[str, dict[str, Any]] = {
    "unknown-key": {"data": {"table": "data/raw/table.csv", "tarqet": "y"}},
    "missing-key": {"data": {"table": "data/raw/table.csv"}},
    "unknown-task": {"task": "ranking"},
    "no-such-table": {"data": {"table": "data/raw/other.csv", "target": "y"}},
    "absolute-path": {"data": {"table": "/data/table.csv", "target": "y"}},
    "target-of-no-column": {"data": {"table": "data/raw/table.csv", "target": "late = aa > 1"}},
    "time-of-no-column": {"data": {"table": "data/raw/table.csv", "target": "y", "time": "t"}},
    "unknown-column": {"features": {"columns": ["a", "bb"]}},
    "unknown-name-in-expression": {"features": {"columns": ["a"], "row": {"w": "aa + 1"}}},
    "window-feature": {"features": {"columns": ["a"], "row": {"w": "avg(a) over ()"}}},
    "subquery": {"features": {"columns": ["a"], "row": {"w": "(select 1)"}}},
    "random-feature": {"features": {"columns": ["a"], "row": {"w": "random()"}}},
    "clash-of-names": {"features": {"columns": ["a"], "row": {"a": "b + 1"}}},
    "target-as-feature": {"features": {"columns": ["a", "y"]}},
    "no-features": {"features": {"columns": []}},
    "join-without-key": {"features": {"join": [{"table": "data/raw/w.csv", "columns": ["t"]}]}},
    "variable-in-tracked": {"task": "${TASK}"},
    "negative-trials": {"tune": {"trials": -1}},
    "range-upside-down": {"tune": {"space": {"eta": {"float": [0.3, 0.1]}}}},
    "split-by-time-without-time": {"split": {"by": "time"}},
    "split-of-everything": {"split": {"validation": 0.5, "holdout": 0.5}},
    "split-by-group-without-key": {"split": {"by": "group"}},
    "gap-without-a-time": {"split": {"gap": "7d"}},
    "storage-that-is-no-database": {"tune": {"storage": "sqlite:///tune.db"}},
    "gate-without-bound": {"register": {"gates": [{"metric": "roc_auc"}]}},
    "gate-on-no-metric": {"register": {"gates": [{"metric": "rocauc", "min": 0.6}]}},
    "fairness-without-groups": {
        "register": {"gates": [{"fairness": "disparate_impact", "min": 0.8}]}
    },
    "fairness-with-the-wrong-bound": {
        "register": {"gates": [{"fairness": "disparate_impact", "max": 0.8}]}
    },
    "fairness-of-a-regression": {
        "task": "regression",
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["c"]},
        "register": {"gates": [{"fairness": "disparate_impact", "min": 0.8}]},
    },
    "fairness-of-another-column": {
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["c"]},
        "register": {"gates": [{"fairness": "disparate_impact", "min": 0.8, "column": "b"}]},
    },
    "unknown-sensitive": {
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["cc"]}
    },
    "mitigation-without-groups": {"train": {"mitigate": {"method": "reweighing"}}},
    "unknown-calibrator": {"train": {"calibrate": "platt"}},
    "calibrate-of-a-regression": {"task": "regression", "train": {"calibrate": "isotonic"}},
    "isotonic-of-several": {"task": "multiclass", "train": {"calibrate": "isotonic"}},
    "costs-of-several": {"task": "multiclass", "train": {"costs": COSTS}},
    "cost-of-nothing": {"train": {"costs": {**COSTS, "false_positive": 0}}},
    "interval-of-classes": {"train": {"interval": 0.9}},
    "interval-of-everything": {"task": "regression", "train": {"interval": 1.0}},
    "quantiles-upside-down": {"task": "regression", "train": {"quantiles": [0.9, 0.1]}},
    "quantiles-of-another": {
        "task": "regression",
        "train": {"estimator": "lightgbm", "quantiles": [0.1, 0.9]},
    },
    "update-with-calibrate": {"train": {"update": "0123456789ab", "calibrate": "sigmoid"}},
    "update-with-select": {"train": {"update": "0123456789ab", "select": {"method": "rfe"}}},
    "quantiles-with-select": {
        "task": "regression",
        "train": {"quantiles": [0.1, 0.9], "select": {"method": "rfe"}},
    },
    "select-beside-places": {
        "train": {"params": {"monotone_constraints": "(1,0,0)"}, "select": {"method": "rfe"}}
    },
    "order-of-several": {"task": "multiclass", "train": {"categories": "ordered"}},
    "quantiles-in-order": {
        "task": "regression",
        "train": {"quantiles": [0.1, 0.9], "categories": "ordered"},
    },
    "unknown-selection": {"train": {"select": {"method": "boruta"}}},
    "select-of-nothing": {"train": {"select": {"method": "rfe", "keep": 0}}},
    "params-of-auto": {"train": {"estimator": "auto", "params": {"eta": 0.1}}},
    "space-of-auto": {"train": {"estimator": "auto"}, "tune": {"space": SEARCHED}},
    "update-of-auto": {"train": {"estimator": "auto", "update": "0123456789ab"}},
    "update-with-refit": {"train": {"update": "0123456789ab", "refit": "all"}},
    "mitigation-of-a-regression": {
        "task": "regression",
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["c"]},
        "train": {"mitigate": {"method": "reweighing"}},
    },
    "mitigation-of-another-column": {
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["c"]},
        "train": {"mitigate": {"columns": ["b"]}},
    },
    "weights-of-the-target": {"train": {"weights": "y"}},
    "weights-of-no-column": {"train": {"weights": "ww"}},
    "weights-as-feature": {"train": {"weights": "a"}},
    "weights-of-text": {"train": {"weights": "c"}, "features": {"columns": ["a", "b"]}},
    "slice-twice": {"evaluate": {"slices": ["a", "a"]}},
    "unknown-metric": {"train": {"metric": "rocauc"}},
    "no-such-contract": {"validate": {"contract": "contracts/tabel.yaml"}},
}
LATE = {  # known to the stage tune, which imports what it takes to know
    "unknown-estimator": {"train": {"estimator": "sklearn:os.system"}},
    "unknown-parameter": {"train": {"params": {"max_dept": 3}}},
    "first-outside-its-range": {"tune": {"space": SEARCHED, "first": [{"max_depth": 20}]}},
    "first-that-is-not-searched": {"tune": {"space": SEARCHED, "first": [{"eta": 0.1}]}},
    "weights-that-were-not-kept": {"train": {"weights": "b"}},
    "select-more-than-there-are": {"train": {"select": {"method": "rfe", "keep": 4}}},
    "rfe-of-an-estimator-that-does-not-tell": {
        "train": {
            "estimator": "sklearn:neighbors.KNeighborsClassifier",
            "select": {"method": "rfe", "keep": 1},
        }
    },
    "weights-that-cannot-count": {
        "train": {"estimator": "sklearn:neighbors.KNeighborsClassifier", "mitigate": {}},
        "data": {"table": "data/raw/table.csv", "target": "y", "sensitive": ["c"]},
    },
    "monotone-of-no-feature": {"train": {"monotone": {"aa": "increasing"}}},
    "monotone-of-a-category": {"train": {"monotone": {"c": "increasing"}}},
    "monotone-of-a-forest": {
        "train": {
            "estimator": "sklearn:ensemble.RandomForestClassifier",
            "monotone": {"a": "increasing"},
        }
    },
    "xgboost-refuses": {"train": {"params": {"eta": -1}}},
    "lightgbm-parameter": {"train": {"estimator": "lightgbm", "params": {"num_leafs": 3}}},
    "lightgbm-refuses": {"train": {"estimator": "lightgbm", "params": {"num_leaves": 1}}},
    "catboost-parameter": {"train": {"estimator": "catboost", "params": {"dept": 3}}},
    "catboost-refuses": {"train": {"estimator": "catboost", "params": {"depth": 40}}},
    "estimator-of-another-task": {"train": {"estimator": "sklearn:linear_model.Ridge"}},
    "project-estimator-missing": {"train": {"estimator": "forest:make"}},
    "key-that-was-not-kept": {"split": {"key": "c"}},
}
CONTRACTS = {
    "contract-unknown-key": ("type: integer", "typ: integer"),
    "contract-bad-type": ("type: integer", "type: number"),
    "contract-not-yaml": ("\ncolumns:\n", "\ncolumns: [\n"),
}


def configure(project: Path, changed: dict[str, Any]) -> None:
    yaml = YAML()
    config = yaml.load(project / "mlops.yaml")
    config.update(changed)
    yaml.dump(config, project / "mlops.yaml")


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_a_file_that_holds_no_configuration(project: Path, mlops: Mlops, name: str) -> None:
    (project / "mlops.yaml").write_bytes(WHOLE_FILES[name])
    check(mlops(project, "run"), name)
    assert (project / "mlops.yaml").read_bytes() == WHOLE_FILES[name]


@pytest.mark.parametrize("name", EDITS)
def test_a_key_that_is_wrong(project: Path, mlops: Mlops, name: str) -> None:
    configure(project, EDITS[name])
    before = sorted(project.rglob("*"))
    check(mlops(project, "run"), name)
    assert sorted(project.rglob("*")) == before
    error = mlops(project, "run", "--json")
    assert json.loads(error.said.strip().splitlines()[-1])["error"]["code"] == error.code


@pytest.mark.parametrize("name", LATE)
def test_a_value_that_only_its_stage_knows_to_be_wrong(
    project: Path, mlops: Mlops, name: str
) -> None:
    if name.startswith("catboost"):
        pytest.importorskip("catboost")  # an extra of its own
    configure(project, LATE[name])
    check(mlops(project, "stage", "tune", "--revision", str(stage("tune").revision)), name)
    assert leftovers(project) == []


def test_a_slice_of_no_column(project: Path, mlops: Mlops) -> None:
    configure(project, {"evaluate": {"slices": ["aa > 1"]}})
    before = (project / "model/manifest.json").read_bytes()
    revision = str(stage("train").revision)
    check(mlops(project, "stage", "train", "--revision", revision), "slice-of-no-column")
    assert (project / "model/manifest.json").read_bytes() == before
    assert leftovers(project) == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_that_is_wrong(project: Path, mlops: Mlops, name: str) -> None:
    contract = project / "contracts/table.yaml"
    contract.write_text(contract.read_text().replace(*CONTRACTS[name], 1))
    check(mlops(project, "run"), name)


def test_a_worker_without_a_place_to_meet(project: Path, mlops: Mlops) -> None:
    check(mlops(project, "tune", "worker"), "worker-without-storage")


def test_a_stage_that_is_none(project: Path, mlops: Mlops) -> None:
    check(mlops(project, "run", "trian"), "unknown-stage")


def test_outside_a_project(tmp_path: Path, mlops: Mlops) -> None:
    check(mlops(tmp_path, "run"), "no-project")


def test_a_folder_in_use(tmp_path: Path, mlops: Mlops) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,0\n")
    (tmp_path / "p").mkdir()
    (tmp_path / "p/x").write_text("1")
    check(mlops(tmp_path, "init", "p", "--data", "t.csv", "--target", "y"), "folder-not-empty")
    assert (tmp_path / "p/x").read_text() == "1"
    check(mlops(tmp_path, "init", "q", "--data", "no.csv", "--target", "y"), "missing-file")
    check(mlops(tmp_path, "init", "q", "--data", "t.csv", "--target", ""), "empty-target")
    check(mlops(tmp_path, "init", "my p", "--data", "t.csv", "--target", "y"), "name-with-a-space")
