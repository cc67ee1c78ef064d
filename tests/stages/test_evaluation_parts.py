"""train: slices that are declared, and what the model goes by."""

from __future__ import annotations

import numpy as np
import pytest

from learning import events, make
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.report import read_report
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune


def trained(root, task="binary", **sections):
    project = make(root, task=task, n=1000, **sections)
    tune(project)
    train(project)
    return read_report(project.root)


def test_slices_are_values_of_columns_and_conditions(tmp_path):
    report = trained(
        tmp_path / "p", evaluate={"slices": ["kind", "x > 12 and not open", "dow = 3"]}
    )
    rows = events(1000, "binary").slice(800).to_pylist()
    found = {s.name: s for s in report.slices}
    assert found.keys() == {
        *(f"kind = {k}" for k in ("a", "b", "c", "d'é", "(missing)")),
        "x > 12 and not open",
        "dow = 3",
    }
    for kind in ("a", "b"):
        assert found[f"kind = {kind}"].rows == sum(r["kind"] == kind for r in rows)
    high = [r for r in rows if r["x"] is not None and r["x"] > 12 and not r["open"]]
    assert found["x > 12 and not open"].rows == len(high)
    assert found["dow = 3"].rows == sum(r["at"].isoweekday() % 7 == 3 for r in rows)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("knd", "evaluate.slices.0: .*knd"),
        ("k + 1", "'k \\+ 1' is integer, and a slice is a column or a condition"),
        ("x >", "is not an expression"),
    ],
)
def test_what_is_no_slice_is_refused_before_the_fit(tmp_path, text, said):
    project = make(tmp_path / "p", evaluate={"slices": [text]})
    tune(project)
    with pytest.raises(UsageError, match=said):
        train(project)
    assert not (project.root / "model").exists()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_the_model_goes_by(tmp_path, task):
    found = trained(tmp_path / "p", task=task).explanations
    assert found.features[0].name == "x"
    assert {f.name for f in found.features} == {"x", "k", "kind", "open", "dow"}
    assert sum(f.share for f in found.features) == pytest.approx(1.0)
    assert found.rows == 200
    if task == "multiclass":
        return
    steps = [s for s in found.features[0].steps if not isinstance(s.at, str)]
    assert np.all(np.diff([s.at for s in steps]) > 0)
    assert steps[0].mean < 0 < steps[-1].mean
    by_kind = {s.at: s.mean for f in found.features if f.name == "kind" for s in f.steps}
    assert max(by_kind, key=by_kind.__getitem__) == "b"
    for example in found.examples:
        parts = example.base + sum(p.contribution for p in example.parts) + example.rest
        assert parts == pytest.approx(example.total, abs=1e-6)


def test_interactions_are_exact_and_strongest_where_they_are_made(tmp_path):
    found = trained(tmp_path / "p").explanations
    assert found.pair_rows >= 20
    assert all(p.strength > 0 for p in found.pairs)
    assert found.pairs[0].strength >= found.pairs[-1].strength


def test_a_model_that_is_only_asked_is_explained_on_fewer_rows(tmp_path):
    found = trained(
        tmp_path / "p", train={"estimator": "sklearn:ensemble.RandomForestClassifier"}
    ).explanations
    assert 25 <= found.rows <= 200
    assert found.space == "value"
    assert found.features[0].name == "x"
    assert not found.pairs
