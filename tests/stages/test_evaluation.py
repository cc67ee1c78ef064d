"""train: the evaluation that it writes beside the bundle."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from learning import events, make, reconfigure
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.evaluation.report import read_report
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune

DATA = {"table": "data/raw/events.parquet", "target": "target", "time": "at"}
PRIVATE = {**DATA, "sensitive": ["kind"]}


def trained(root, **sections):
    project = make(root, **sections)
    tune(project)
    return project, train(project)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_metric_has_an_interval_and_a_baseline(tmp_path, task):
    project, result = trained(tmp_path / "p", task=task, n=600)
    report = read_report(project.root)
    assert report.version == result.digest
    assert next(iter(report.metrics)) == report.metric
    assert {n: m.value for n, m in report.metrics.items()} == {
        n: v for n, v in result.holdout.items() if not n.endswith(("_low", "_high"))
    }
    assert all(m.low <= m.value <= m.high for m in report.metrics.values())
    assert report.baseline.gain[report.metric].low > 0
    assert report.rows == 120
    said = json.loads((project.root / "reports/evaluation.json").read_text())
    # what the task has not is not there
    assert ("residuals" in said) == (task == "regression")
    assert ("calibration" in said) == ("confusion" in said) == (task != "regression")
    assert ("threshold" in said) == ("curves" in said) == (task == "binary")


def test_fairness_of_a_column_that_is_no_feature(tmp_path):
    """The rates are those of the served labels, by a column that the model never sees."""
    project, _ = trained(
        tmp_path / "p",
        n=1000,
        data={**DATA, "sensitive": ["kind", "open"]},
        features={"columns": ["x", "k", "open"]},
    )
    report = read_report(project.root)
    rows = events(1000, "binary").slice(800).to_pylist()
    predictor = open_predictor(open_bundle(project.root / "model"))
    assert "kind" not in {i.name for i in predictor.manifest.inputs}
    names = [i.name for i in predictor.manifest.inputs]
    labels = [a["label"] for a in predictor.predict([{n: r[n] for n in names} for r in rows])]
    found = report.fairness["kind"].groups
    assert found.keys() == {"a", "b", "c", "d'é", "(missing)"}
    for kind, rates in found.items():
        here = [kind == (r["kind"] or "(missing)") for r in rows]
        assert rates.selection_rate == np.mean(np.array(labels)[here])
    assert report.fairness.keys() == {"kind", "open", "kind & open"}


def test_no_feature_is_made_of_what_is_only_sensitive(tmp_path):
    project = make(tmp_path / "p", data=PRIVATE, features={"columns": ["x"]})
    table = pq.read_table(project.root / "data/features.parquet")
    assert "__sensitive__kind" in table.column_names
    assert "kind" not in table.column_names
    project = reconfigure(project, data=DATA)
    featurize(project)
    names = pq.read_table(project.root / "data/features.parquet").column_names
    assert not [n for n in names if "kind" in n]


def test_a_hold_out_without_positive_rows(tmp_path):
    """A metric that does not need them is still judged, and what needs them is left out."""
    project = make(tmp_path / "p", n=400, train={"metric": "log_loss"})
    file = project.root / "data/features.parquet"
    table = pq.read_table(file)
    target = table["__target__"].to_pylist()
    target[-80:] = [False] * 80
    index = table.column_names.index("__target__")
    pq.write_table(table.set_column(index, "__target__", [target]), file)
    tune(project)
    train(project)
    report = read_report(project.root)
    assert report.curves is None
    assert "roc_auc" not in report.metrics
    assert report.metrics["log_loss"].value > 0
    assert report.confusion.rates["true"].recall is None
