"""train: the bundle, its proof, its metrics; and that the same work is the same bytes."""

from __future__ import annotations

import json
import shutil

import mlflow
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from fitted import project_of
from learning import make, reconfigure
from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.bundle.profile import Profile
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.errors import BundleError, DataError
from mlops_cli.serving.models import load_model
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import _all_alike, _known_subjects, train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from mlops_cli.tables.matrix import encode
from mlops_cli.training.data import read_events

ESTIMATORS = [
    ("binary", "xgboost"),
    ("multiclass", "xgboost"),
    ("regression", "xgboost"),
    ("binary", "sklearn:linear_model.LogisticRegression"),
    ("multiclass", "sklearn:ensemble.RandomForestClassifier"),
    ("regression", "sklearn:linear_model.Ridge"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    project = make(tmp_path_factory.mktemp("trained") / "p")
    tune(project)
    return project, train(project)


def outputs(root):
    files = [root / "metrics.json", root / "model/manifest.json", *root.glob("reports/plots/*")]
    return {p.name: p.read_bytes() for p in sorted(files)}


@pytest.mark.parametrize(("rows_of_each", "known"), [(5, True), (1, False)])
def test_a_word_where_the_hold_out_is_about_whom_the_model_was_fitted_on(
    tmp_path, rows_of_each, known
):
    rows = [f"c{i // rows_of_each},{i * 7 % 13},{i % 2}" for i in range(300)]
    (tmp_path / "t.csv").write_text("\n".join(["customer,x,y", *rows]) + "\n")
    data = {"id": {"subject": ["customer"]}}
    root = project_of(tmp_path, "t.csv", "y", data=data, features={"columns": ["x"]})
    project = load_project(root)
    names = project.config.data.id.subject
    events = read_events(root, project.config)
    held = {f"c{n // rows_of_each}" for n in events.numbers[events.split.holdout]}
    fitted = {f"c{n // rows_of_each}" for n in events.numbers[events.split.fitted]}
    assert events.known_subjects(names) == (len(held & fitted), len(held))
    said = _known_subjects(project, events)
    assert (said is not None) is known
    if said:
        assert "values of customer in the hold-out are in the fitted rows, too" in said


@pytest.mark.parametrize(("task", "estimator"), ESTIMATORS)
def test_every_task_and_estimator_makes_a_bundle(tmp_path, task, estimator):
    project = make(tmp_path / "p", task=task, n=200)
    project = reconfigure(project, train={"estimator": estimator}, tune={"trials": 2, "rounds": 10})
    tune(project)
    found = train(project)
    bundle = open_bundle(project.root / "model")
    assert bundle.digest == found.digest
    assert bundle.manifest.task == task
    assert bundle.manifest.model == ("xgboost" if estimator == "xgboost" else "onnx")
    assert found.golden == len(list(bundle.golden())) >= 160
    metric = found.metric
    assert found.holdout[f"{metric}_low"] < found.holdout[metric] < found.holdout[f"{metric}_high"]
    again = json.loads((project.root / "metrics.json").read_text())
    assert again == {"validation": dict(found.validation), "holdout": dict(found.holdout)}
    assert {p.name for p in (project.root / "reports/plots").iterdir()} >= {"importance.csv"}
    known = msgspec.json.decode((project.root / "model/profile.json").read_bytes(), type=Profile)
    assert len(known.scores) == {"binary": 1, "multiclass": 3, "regression": 0}[task]
    assert all(sum(of_a_class.rows) == 40 for of_a_class in known.scores)  # the hold-out's
    assert (known.losses is not None) == (task == "regression")


def test_the_same_work_gives_the_same_bytes(trained):
    project, first = trained
    before = outputs(project.root)
    shutil.rmtree(project.root / "mlflow.db", ignore_errors=True)
    assert train(project).digest == first.digest
    assert outputs(project.root) == before


def test_the_hold_out_is_the_last_fifth_and_its_auc_can_be_made_again(trained):
    project, found = trained
    bundle = open_bundle(project.root / "model")
    table = pq.read_table(project.root / "data/features.parquet")
    holdout = table.slice(240)
    p = load_model(bundle).predict(encode(holdout, bundle.manifest.features))
    auc = roc_auc_score(holdout["__target__"].to_pylist(), p)
    assert found.holdout["roc_auc"] == pytest.approx(auc, abs=1e-9)
    assert found.rows == 240


def test_categories_and_profile_come_from_the_fitted_rows(tmp_path):
    project = make(tmp_path / "p", n=100)
    file = project.root / "data/features.parquet"
    table = pq.read_table(file)
    kinds = table["kind"].to_pylist()
    kinds[70], kinds[99] = "only in validation", "only in the hold-out"
    i = table.column_names.index("kind")
    pq.write_table(table.set_column(i, "kind", [kinds]), file)
    tune(project)
    train(project)
    manifest = open_bundle(project.root / "model").manifest
    (kind,) = (f.categories for f in manifest.features if f.name == "kind")
    assert kind == ("a", "b", "c", "d'é", "only in validation")
    (given,) = (i.categories for i in manifest.inputs if i.name == "kind")
    assert given == kind
    profile = json.loads((project.root / "model/profile.json").read_text())
    assert profile["rows"] == 80


def test_the_run_says_of_what_the_model_was_made(trained):
    project, _ = trained
    found = train(project)
    run = mlflow.MlflowClient(f"sqlite:///{project.root}/mlflow.db").get_run(found.run_id)
    assert run.data.metrics["roc_auc"] == pytest.approx(found.holdout["roc_auc"])
    assert {"data_digest", "code_digest", "config_digest", "interval"} <= run.data.tags.keys()
    assert run.data.params["estimator"] == "xgboost"
    provenance = json.loads((project.root / "model/provenance.json").read_text())
    assert provenance["run_id"] == found.run_id
    assert provenance["data_digest"] == run.data.tags["data_digest"]


def test_golden_features_are_the_data_engines_own(trained):
    project, _ = trained
    bundle = open_bundle(project.root / "model")
    plan = msgspec.json.decode((project.root / "data/features.json").read_bytes(), type=FeaturePlan)
    table = pq.read_table(project.root / "data/features.parquet").slice(0, 240)
    matrix = encode(table, bundle.manifest.features)
    golden = np.array([row.features for row in bundle.golden()], dtype=np.float32)
    known = {row.tobytes() for row in matrix}
    drawn = golden[:200]
    assert not any(row.tobytes() in known for row in drawn)
    for value, of in zip(drawn.T, matrix.T, strict=True):
        assert {v.tobytes() for v in value} <= {v.tobytes() for v in of}
    assert len(plan.features) == golden.shape[1]


def test_a_bundle_that_predicts_something_else_is_not_written(trained, monkeypatch):
    project, first = trained
    adapter = load_adapter("mlops_cli.training.xgboost").XGBoostModel
    honest = adapter.predict
    monkeypatch.setattr(adapter, "predict", lambda self, matrix: honest(self, matrix) * 0.999)
    with pytest.raises(BundleError, match="no bundle is written"):
        train(project)
    assert open_bundle(project.root / "model").digest == first.digest
    assert not (project.root / ".mlops/candidate").exists()


def test_a_row_that_breaks_the_contract_and_stays_is_reproduced(tmp_path):
    project = make(tmp_path / "p", n=100, validate={"on_bad_rows": "warn"})
    file = project.root / "data/raw/events.parquet"
    table = pq.read_table(file)
    k = pa.array([None if row == 3 else str(row) for row in range(98)] + ["oops", "1"])
    pq.write_table(table.set_column(table.column_names.index("k"), "k", k), file)
    assert validate(project).tables[0].bad_rows == 2
    featurize(project)
    tune(project)
    train(project)
    golden = list(open_bundle(project.root / "model").golden())
    assert any(row.inputs["k"] is None for row in golden)


def test_without_tune_it_says_what_to_run(tmp_path):
    project = make(tmp_path / "p", n=60)
    with pytest.raises(DataError, match=r"tune/best\.json") as e:
        train(project)
    assert e.value.hint == "mlops tune"


@pytest.mark.parametrize("n", [10, 25])
def test_tiny_tables_work(tmp_path, n):
    project = make(tmp_path / "p", n=n, task="regression", split={"by": "random"})
    tune(project)
    found = train(project)
    assert found.golden >= n - 2


def test_too_few_rows_name_the_numbers(tmp_path):
    project = make(tmp_path / "p", n=6, task="regression", split={"by": "random"})
    with pytest.raises(DataError, match="6 rows make a training part of 4"):
        tune(project)


def test_a_class_that_the_training_part_lacks_is_named(tmp_path):
    project = make(tmp_path / "p", n=60, task="multiclass")
    file = project.root / "data/features.parquet"
    table = pq.read_table(file)
    target = [
        "low" if t == "high" and i < 40 else t
        for i, t in enumerate(table["__target__"].to_pylist())
    ]
    i = table.column_names.index("__target__")
    pq.write_table(table.set_column(i, "__target__", [target]), file)
    with pytest.raises(DataError, match="'high'"):
        tune(project)


def test_one_label_for_all_is_seen() -> None:
    assert _all_alike(np.array([0.1, 0.4]))
    assert not _all_alike(np.array([0.1, 0.5]))
    assert _all_alike(np.array([[0.1, 0.9, 0.0], [0.2, 0.5, 0.3]]))
    assert not _all_alike(np.array([[0.1, 0.9, 0.0], [0.6, 0.1, 0.3]]))
