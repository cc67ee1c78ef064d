"""Each model file predicts what training predicted, and only in training's environment."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.models import load_model
from mlops_cli.serving.predictions import prediction_columns, render

Samples = dict[tuple[str, bool], bundles.Sample]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_xgboost_gives_the_very_floats_of_training_in_any_batch(
    samples: Samples, task: str
) -> None:
    sample = samples[task, False]
    model = load_model(open_bundle(sample.path))
    together = model.predict(sample.matrix)
    alone = np.concatenate([model.predict(sample.matrix[i : i + 1]) for i in range(50)])
    assert together.dtype == np.float64
    np.testing.assert_array_equal(together, sample.raw)
    np.testing.assert_array_equal(alone, sample.raw[:50])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_onnx_agrees_with_scikit_learn(samples: Samples, task: str) -> None:
    sample = samples[task, True]
    model = load_model(open_bundle(sample.path))
    found = model.predict(sample.matrix[3:])  # the first rows hold extremes: see the bundle
    assert found.shape == sample.raw[3:].shape
    np.testing.assert_allclose(found, sample.raw[3:], rtol=1e-5, atol=1e-5)


def _changed(sample: bundles.Sample, **changes: object) -> Bundle:
    bundle = open_bundle(sample.path)
    manifest = msgspec.structs.replace(bundle.manifest, **changes)
    return Bundle(bundle.path, manifest, bundle.digest)


def test_another_version_is_refused_naming_both(binary: bundles.Sample) -> None:
    wanted = {**open_bundle(binary.path).manifest.modules, "xgboost": "0.1.2"}
    with pytest.raises(BundleError, match=r"xgboost 0\.1\.2, .* has \d") as caught:
        load_model(_changed(binary, modules=wanted))
    assert caught.value.exit_code == 8


def test_a_module_that_is_missing_is_refused(binary: bundles.Sample) -> None:
    with pytest.raises(BundleError, match=r"no_such_module 1\.0, .* has none"):
        load_model(_changed(binary, modules={"no_such_module": "1.0"}))


def test_another_python_is_refused(binary: bundles.Sample) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    with pytest.raises(BundleError, match=rf"Python 3\.4, .* has {here}"):
        load_model(_changed(binary, python="3.4"))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("xgboost", r"model\.ubj cannot be used: no UBJSON at byte 1"),
        ("onnx", r"model\.onnx cannot be used: it is no protocol buffer"),
    ],
)
def test_a_file_that_is_no_model_is_refused(
    samples: Samples, tmp_path: Path, kind: str, says: str
) -> None:
    sample = samples["binary", kind == "onnx"]
    broken = bundles.Fitted(kind, b"no model at all" * 9, lambda m: m)
    golden = (sample.path / "golden.jsonl").read_bytes()
    bundles.write_fitted(tmp_path / "broken", "binary", broken, golden)
    with pytest.raises(BundleError, match=says):
        load_model(open_bundle(tmp_path / "broken"))


def test_no_rows_give_no_predictions(samples: Samples) -> None:
    for sample in samples.values():
        bundle = open_bundle(sample.path)
        raw = load_model(bundle).predict(sample.matrix[:0])
        assert len(raw) == 0
        assert render(bundle.manifest, raw) == []


def test_columns_are_the_fields_of_the_answers(samples: Samples) -> None:
    for sample in samples.values():
        bundle = open_bundle(sample.path)
        raw = load_model(bundle).predict(sample.matrix)
        columns = prediction_columns(bundle.manifest, raw)
        for i, answer in enumerate(render(bundle.manifest, raw)):
            flat = {k: v for k, v in answer.items() if k != "probabilities"}
            shares = answer.get("probabilities", {})
            flat |= {f"probability_{k}": v for k, v in shares.items()}
            assert {name: column[i] for name, column in columns.items()} == flat
            assert list(columns) == list(flat)
