"""score --explain: parts that add up, of every kind of model, under names of their own."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

import bundles
from mlops_cli.bundle.manifest import Feature
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import UsageError
from mlops_cli.scoring import explained
from mlops_cli.scoring.explained import Explaining, check_affordable, explained_names
from mlops_cli.serving.models import load_model
from mlops_cli.tables import open_engine


def opened(path, task, *, onnx=False):
    sample = bundles.write(path, task, onnx=onnx)
    bundle = open_bundle(path)
    return sample, bundle, load_model(bundle)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("onnx", [False, True])
def test_parts_and_base_add_up_to_the_margin(tmp_path, task, onnx, monkeypatch):
    monkeypatch.setattr(explained, "BLOCK", 7)  # so that there are several
    sample, bundle, model = opened(tmp_path / "b", task, onnx=onnx)
    matrix = sample.matrix[:40]
    explaining = Explaining(bundle, model)
    found = explaining.columns(matrix)
    assert list(found) == explained_names(bundle.manifest)
    classes = [f"_{c}" for c in bundle.manifest.classes] if task == "multiclass" else [""]
    raw = model.predict(matrix).reshape(40, -1)
    for k, end in enumerate(classes):
        parts = sum(found[f"contribution_{f.name}{end}"] for f in bundle.manifest.features)
        margin = found[f"margin{end}"]
        np.testing.assert_allclose(parts + found[f"contribution_base{end}"], margin, atol=1e-9)
        own = np.array(found.get("explained", ["margin"] * 40)) == "margin"
        if task == "binary":
            np.testing.assert_allclose(1 / (1 + np.exp(-margin[own])), raw[own, 0], atol=1e-5)
        elsewhere = ~own if task != "regression" else np.ones(40, bool)
        np.testing.assert_allclose(margin[elsewhere], raw[elsewhere, k], atol=1e-4)
    assert max(np.abs(v).max() for n, v in found.items() if n.startswith("contribution_")) > 0.01


def test_they_are_what_xgboost_says(tmp_path):
    sample, bundle, model = opened(tmp_path / "b", "binary")
    booster = xgboost.Booster(model_file=bundle.model_file)
    types = ["c" if f.kind == "category" else "q" for f in bundles.FEATURES]
    rows = xgboost.DMatrix(sample.matrix, feature_types=types, enable_categorical=True)
    wanted = booster.predict(rows, pred_contribs=True)
    found = Explaining(bundle, model).columns(sample.matrix)
    for i, feature in enumerate(bundle.manifest.features):
        np.testing.assert_array_equal(found[f"contribution_{feature.name}"], wanted[:, i])


def test_no_name_stands_twice(tmp_path):
    _, bundle, _ = opened(tmp_path / "b", "binary")
    features = tuple(Feature(name, "numeric", None) for name in ("base", "a", "A", "a_2"))
    manifest = bundle.manifest.__class__(
        **{
            **{f: getattr(bundle.manifest, f) for f in bundle.manifest.__struct_fields__},
            "features": features,
        }
    )
    names = explained_names(manifest)
    assert len({n.lower() for n in names}) == len(names) == 6
    assert names[-2:] == ["contribution_base", "margin"]
    assert names[0] == "contribution_base_2"


def test_too_many_rows_of_a_model_that_is_only_asked(tmp_path, monkeypatch):
    _, bundle, _ = opened(tmp_path / "b", "binary", onnx=True)
    file = tmp_path / "rows.csv"
    file.write_text("a\n" + "1\n" * 30)
    monkeypatch.setattr(explained, "MOST", 29)
    with open_engine() as engine, pytest.raises(UsageError, match=r"30 rows.*at most 29"):
        check_affordable(engine, file, bundle)


def test_no_rows(tmp_path):
    sample, bundle, model = opened(tmp_path / "b", "multiclass", onnx=True)
    found = Explaining(bundle, model).columns(sample.matrix[:0])
    assert {len(v) for v in found.values()} == {0}
