"""`mlops import`: models from elsewhere become champions that serve; the rest is refused, whole."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from command_line import Mlops
from mlops_cli import deploy, load_project
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import known_entries
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.scoring.loaded import load
from mlops_cli.tracking import open_tracker
from servers import free_port

N = 400
DRAW = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": DRAW.integers(18, 90, N),
        "income": DRAW.lognormal(10, 1, N),
        "plan": DRAW.choice(["gold", "free", "pro"], N),
    }
)
FRAME.loc[DRAW.random(N) < 0.1, "income"] = np.nan
LEFT = ((FRAME["age"] > 40) & (FRAME["income"].fillna(0) < 30_000)) | (FRAME["plan"] == "gold")
NUMBERS = FRAME[["age", "income"]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Rows with the target, as a file."""
    file = tmp_path / "data.csv"
    FRAME.assign(left=np.where(LEFT, "yes", "no")).to_csv(file, index=False)
    return file


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Rows of numbers without a target."""
    file = tmp_path / "plain.csv"
    NUMBERS.to_csv(file, index=False)
    return file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An XGBoost model that reads texts and missing values."""
    frame = FRAME.assign(plan=FRAME["plan"].astype("category"))
    file = tmp_path / "model.json"
    known = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, max_depth=3)
    known.fit(frame, LEFT.astype(int)).save_model(file)
    return file


@pytest.fixture
def booster(tmp_path: Path) -> Path:
    """An XGBoost booster without names."""
    rows = xgboost.DMatrix(NUMBERS.to_numpy(), LEFT.astype(int))
    file = tmp_path / "booster.ubj"
    xgboost.train({"objective": "binary:logistic"}, rows, 5).save_model(file)
    return file


def _import(mlops: Mlops, folder: Path, model: Path, data: Path, *more: str, code: int = 0) -> Any:
    told = ["import", "--model", model, "--data", data, "--json", *more]
    return mlops(folder, *told, code=code).result


def test_a_new_project_serves_scores_and_agrees(
    tmp_path: Path, model: Path, data: Path, mlops: Mlops
) -> None:
    result = _import(mlops, tmp_path, model, data, "--target", "left", "--project", "churn")
    root = tmp_path / "churn"
    assert (result["created"], result["task"], result["classes"]) == (True, "binary", ["no", "yes"])
    assert result["features"] == ["age", "income", "plan"]
    assert result["split_rows"] > 100
    assert result["golden"] >= N / 2
    assert result["metrics"]["roc_auc"] > 0.95
    assert any("no, yes" in remark for remark in result["remarks"])
    status = mlops(root, "status", "--json").result
    assert status["champion"]["digest"] == result["digest"]
    scored = tmp_path / "scored.csv"
    mlops(root, "score", data, scored, code=0)
    wanted = xgboost.XGBClassifier()
    wanted.load_model(model)
    frame = FRAME.assign(plan=FRAME["plan"].astype("category"))
    chances = wanted.predict_proba(frame)[:, 1]
    assert np.abs(pd.read_csv(scored)["probability"] - chances).max() < 1e-6
    deploy(load_project(root), port=free_port())
    try:
        parity = mlops(root, "parity", "--json", code=0).result
        assert (parity["source"], len(parity["pairs"])) == ("table", 3)
    finally:
        deploy(load_project(root), stop=True)
    actions = [e.action for e in in_order(known_entries(root))]
    assert actions[:2] == ["import", "register"]
    mlops(root, "audit", "--verify", code=0)


def test_a_model_without_names_or_target_is_matched_by_order(
    tmp_path: Path, booster: Path, plain: Path, mlops: Mlops
) -> None:
    told = mlops(
        tmp_path, "import", "--model", booster, "--data", plain, "--project", "p", "--name", "churn"
    )
    assert told.code == 0
    assert "in their order" in told.said
    root = tmp_path / "p"
    assert load_project(root).config.project == "churn"
    champion = open_tracker(load_project(root)).alias("champion")
    assert champion is not None
    bundle = open_bundle(open_tracker(load_project(root)).fetch(champion.digest))
    predictions = load(bundle.path).predict(NUMBERS.head(5))
    wanted = xgboost.Booster(model_file=booster).predict(
        xgboost.DMatrix(NUMBERS.head(5).to_numpy())
    )
    assert np.allclose([p["probability"] for p in predictions.to_dict("records")], wanted)
    said = mlops(root, "run", code=3).said
    assert "data.target" in said


def test_a_champion_stays_unless_it_is_done_without(
    tmp_path: Path, model: Path, data: Path, booster: Path, mlops: Mlops
) -> None:
    more = ("--target", "left", "--project", "churn")
    first = _import(mlops, tmp_path, model, data, *more)
    assert _import(mlops, tmp_path, model, data, *more)["digest"] == first["digest"]
    numbers = tmp_path / "numbers.csv"
    NUMBERS.assign(left=np.where(LEFT, "yes", "no")).to_csv(numbers, index=False)
    refused = _import(mlops, tmp_path, booster, numbers, *more, code=6)
    assert first["version"] in refused["message"]
    second = _import(mlops, tmp_path, booster, numbers, *more, "--first")
    project = load_project(tmp_path / "churn")
    champion = open_tracker(project).alias("champion")
    assert champion is not None
    assert champion.digest == second["digest"] != first["digest"]


def test_a_project_of_another_task_target_or_name_is_left_alone(
    tmp_path: Path, model: Path, data: Path, mlops: Mlops
) -> None:
    _import(mlops, tmp_path, model, data, "--target", "left", "--project", "churn")
    where = ("--project", "churn")
    assert (
        "data.target"
        in _import(mlops, tmp_path, model, data, "--target", "age", *where, code=2)["message"]
    )
    assert (
        "churn, and not x"
        in _import(mlops, tmp_path, model, data, "--name", "x", *where, code=2)["message"]
    )
    file = tmp_path / "value.json"
    xgboost.train({}, xgboost.DMatrix(NUMBERS, FRAME["age"]), 2).save_model(file)
    assert "the task is binary" in _import(mlops, tmp_path, file, data, *where, code=2)["message"]


class Runs:
    """What a pickle may do to who reads it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.touch, (self.file,))


def test_a_pickle_is_refused_by_its_content_and_not_read(
    tmp_path: Path, plain: Path, mlops: Mlops
) -> None:
    file, mark = tmp_path / "model.ubj", tmp_path / "was-read"
    file.write_bytes(pickle.dumps(Runs(mark)))
    refused = _import(mlops, tmp_path, file, plain, "--project", "p", code=2)
    assert "pickle" in refused["message"]
    assert "--trust" in refused["hint"]
    assert not mark.exists()
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("known", "classes"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), ["no", "yes"]),
        (RandomForestClassifier(5, max_depth=5, random_state=0), ["no", "yes"]),
    ],
)
def test_a_trusted_pickle_is_converted(
    tmp_path: Path, known: Any, classes: list[str], mlops: Mlops
) -> None:
    frame = NUMBERS.fillna(0)
    target = np.where(LEFT, "yes", "no")
    file, data = tmp_path / "model.bin", tmp_path / "numbers.csv"
    joblib.dump(known.fit(frame, target), file, compress=3)
    frame.assign(left=target).to_csv(data, index=False)
    more = ("--target", "left", "--project", "p", "--trust")
    result = _import(mlops, tmp_path, file, data, *more)
    assert result["classes"] == classes
    assert any("missing values" in remark for remark in result["remarks"])
    root = tmp_path / "p"
    bundle = open_bundle(open_tracker(load_project(root)).fetch(result["digest"]))
    assert {f.suffix for f in bundle.path.iterdir()} <= {".json", ".jsonl", ".onnx", ".txt"}
    assert not any(i.nullable for i in bundle.manifest.inputs)


def test_a_trusted_xgboost_estimator_keeps_its_own_form(
    tmp_path: Path, plain: Path, mlops: Mlops
) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps(xgboost.XGBRegressor(n_estimators=3).fit(NUMBERS, FRAME["age"])))
    result = _import(mlops, tmp_path, file, plain, "--project", "p", "--trust")
    assert (result["task"], result["form"]) == ("regression", f"XGBoost {xgboost.__version__}")


def test_skops_is_read_by_a_list_of_known_types(tmp_path: Path, mlops: Mlops) -> None:
    import skops.io

    data = tmp_path / "numbers.csv"
    NUMBERS.fillna(0).to_csv(data, index=False)
    known = LinearRegression().fit(NUMBERS.fillna(0), FRAME["age"])
    file = tmp_path / "model.skops"
    skops.io.dump(known, file)
    result = _import(mlops, tmp_path, file, data, "--project", "p", "--trust")
    assert result["task"] == "regression"
    known.note = Path("a")
    skops.io.dump(known, file)
    refused = _import(mlops, tmp_path, file, data, "--project", "q", "--trust", code=2)
    assert "pathlib" in refused["message"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"income": None}, "no column `income`"),
        ({"age": "old"}, "`age` is text"),
        ({"plan": 3}, "`plan` is integer"),
        ({"age": -999}, "`age` holds -999, which often"),
        ({"age": [-999, -99, 9, 9, 9, 9]}, "`age` holds -999"),
        ({"age": [9999, 9, 9, 9, 9, 9]}, "`age` holds 9999"),
        ({"left": "perhaps"}, "perhaps"),
    ],
)
def test_data_of_another_form_is_refused_and_nothing_is_made(
    tmp_path: Path, model: Path, mlops: Mlops, change: dict[str, Any], why: str
) -> None:
    frame = FRAME.assign(left=np.where(LEFT, "yes", "no"))
    for name, value in change.items():
        if value is None:
            frame = frame.drop(columns=name)
        elif name == "plan" or (isinstance(value, str) and name == "age"):
            frame[name] = value
        else:
            frame.loc[:5, name] = value
    data = tmp_path / "other.csv"
    frame.to_csv(data, index=False)
    refused = _import(mlops, tmp_path, model, data, "--target", "left", "--project", "p", code=3)
    assert why in refused["message"]
    assert not (tmp_path / "p").exists()


def test_a_sentinel_that_is_a_number_is_taken_for_one(
    tmp_path: Path, booster: Path, mlops: Mlops
) -> None:
    data = tmp_path / "numbers.csv"
    NUMBERS.assign(income=NUMBERS["income"].fillna(-999)).to_csv(data, index=False)
    _import(mlops, tmp_path, booster, data, "--project", "p", code=3)
    assert _import(mlops, tmp_path, booster, data, "--project", "p", "--numbers")["created"]


def test_what_is_written_says_where_it_comes_from(
    tmp_path: Path, booster: Path, plain: Path, mlops: Mlops
) -> None:
    result = _import(mlops, tmp_path, booster, plain, "--project", "p")
    folder = open_tracker(load_project(tmp_path / "p")).fetch(result["digest"])
    said = json.loads((folder / "provenance.json").read_text())["imported"]
    assert said["file"] == "booster.ubj"
    assert len(said["model_sha256"]) == 64
