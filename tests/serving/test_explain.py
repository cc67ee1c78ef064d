"""Contributions: those of the model's own library, or Shapley values held to their definition."""

from __future__ import annotations

import asyncio
import itertools
import math
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
import xgboost

import bundles
from mlops_cli.bundle.manifest import Feature
from mlops_cli.bundle.profile import Bins, Categories, ColumnProfile, Profile, Values
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving import onnx_model
from mlops_cli.serving.contributions import explained
from mlops_cli.serving.explain import open_explainer, reference_row
from mlops_cli.serving.golden import difference
from mlops_cli.serving.models import Matrix, load_model
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.predictions import render
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.shapley import EXACT, ShapleyExplainer
from mlops_cli.testing import estimator
from running import client_of

Samples = dict[tuple[str, bool], bundles.Sample]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_xgboost_explains_itself_and_the_parts_add_up(samples: Samples, task: str) -> None:
    sample = samples[task, False]
    booster = xgboost.Booster(model_file=sample.path / "model.ubj")
    types = ["c" if f.kind == "category" else "q" for f in bundles.FEATURES]
    rows = xgboost.DMatrix(sample.matrix, feature_types=types, enable_categorical=True)
    wanted = booster.predict(rows, pred_contribs=True).astype(np.float64)
    wanted = wanted.reshape(len(sample.matrix), -1, len(bundles.FEATURES) + 1)
    margins = booster.predict(rows, output_margin=True).reshape(len(sample.matrix), -1)
    bundle = open_bundle(sample.path)
    found = open_explainer(bundle, load_model(bundle)).explain(sample.matrix)
    for explanation, own, margin in zip(found, wanted, margins, strict=True):
        np.testing.assert_array_equal(explanation.parts.T, own[:, :-1])
        np.testing.assert_allclose(explanation.base, own[:, -1], atol=1e-4)
        total = explanation.base + explanation.parts.sum(axis=0)
        np.testing.assert_allclose(total, margin, rtol=0, atol=1e-9)
        assert explanation.space == ("value" if task == "regression" else "margin")
        assert explanation.error is None


def test_a_regression_with_a_link_is_explained_before_it(tmp_path: Path) -> None:
    matrix = bundles.matrix(bundles.events(200))
    target = np.exp(np.nan_to_num(matrix[:, 3], nan=5.0) / 30)
    data = xgboost.DMatrix(matrix, np.clip(target, 0.1, 9))
    booster = xgboost.train({"objective": "reg:gamma"}, data, 5)
    fitted = bundles.Fitted("xgboost", bytes(booster.save_raw("ubj")), booster.predict)
    bundles.write_fitted(tmp_path / "b", "regression", fitted, b"")
    bundle = open_bundle(tmp_path / "b")
    model = load_model(bundle)
    row = matrix[5:6]
    (found,) = open_explainer(bundle, model).explain(row)
    assert found.space == "margin"
    total = found.base[0] + found.parts.sum()
    assert math.exp(total) == pytest.approx(model.predict(row)[0], rel=1e-6)


def _definition(model: Any, row: Matrix, reference: Matrix) -> np.ndarray:
    """Shapley values written once more and plainly: the mean over every order."""
    width, parts = len(row), None
    orders = list(itertools.permutations(range(width)))
    for order in orders:
        mixed = np.repeat(reference[None], width + 1, axis=0)
        for step, feature in enumerate(order, 1):
            mixed[step:, feature] = row[feature]
        values = model.predict(mixed).reshape(width + 1, -1)
        parts = np.zeros((width, values.shape[1])) if parts is None else parts
        parts[list(order)] += np.diff(values, axis=0) / len(orders)
    assert parts is not None
    return parts


def _fitted(name: str, task: Any, **fixed: Any) -> tuple[Any, Matrix]:
    part = estimator.make_part(task)
    content = estimator.opened(name, task, **fixed).fit(part, {}, None).content()
    return onnx_model.load(content, task, 1), part.matrix


REFERENCE = np.array([1000.0, 1.0, 25.0, np.nan])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_forest_s_parts_are_shapley_values_by_definition(task: str) -> None:
    kind = "Regressor" if task == "regression" else "Classifier"
    model, rows = _fitted(f"sklearn:ensemble.RandomForest{kind}", task, n_estimators=20)
    explainer = ShapleyExplainer(model, task, REFERENCE, rows[:50])
    for row, found in zip(rows[:20], explainer.explain(rows[:20]), strict=True):
        wanted = _definition(model, row, REFERENCE.astype(np.float32))
        np.testing.assert_allclose(found.parts, wanted, atol=1e-9)
        total = found.base + found.parts.sum(axis=0)
        np.testing.assert_allclose(total, model.predict(row[None]).reshape(-1), atol=1e-9)
        assert (found.space, found.error) == ("value", None)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_linear_model_is_explained_by_its_margin_and_exactly(task: str) -> None:
    model, rows = _fitted("sklearn:linear_model.LogisticRegression", task)
    found = ShapleyExplainer(model, task, REFERENCE, rows[:50]).explain(rows)
    for row, one in zip(rows, found, strict=True):
        p = model.predict(row[None])[0]
        logs = np.log(p)
        margin = logs - logs.mean() if task == "multiclass" else np.array([logs - np.log1p(-p)])
        assert (one.space, one.error) == ("margin", None)
        np.testing.assert_allclose(one.base + one.parts.sum(axis=0), margin, atol=1e-8)
    # A part of a linear model depends on its own feature alone.
    other = rows[7].copy()
    other[0], other[2] = 1234.0, np.nan
    (moved,) = ShapleyExplainer(model, task, REFERENCE, rows[:50]).explain(other[None])
    np.testing.assert_allclose(moved.parts[1], found[7].parts[1], atol=1e-9)


def test_a_linear_regression_is_explained_by_its_value() -> None:
    model, rows = _fitted("sklearn:linear_model.Ridge", "regression")
    found = ShapleyExplainer(model, "regression", REFERENCE, rows[:50]).explain(rows)
    totals = [one.base[0] + one.parts.sum() for one in found]
    np.testing.assert_allclose(totals, model.predict(rows), atol=1e-8)
    assert {one.space for one in found} == {"value"}
    assert {one.error for one in found} == {None}


class _Products:
    """x0 * x1 + x2 * x3 + ...: each part is half of its product, where the reference is 0."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        wide = matrix.astype(np.float64)
        return (wide[:, ::2] * wide[:, 1::2]).sum(axis=1)


def test_many_features_are_estimated_with_their_error_and_add_up() -> None:
    width = 2 * EXACT
    row = np.random.default_rng(1).normal(size=width).astype(np.float32)
    probes = np.random.default_rng(2).normal(size=(5, width)).astype(np.float32)
    explainer = ShapleyExplainer(_Products(), "regression", np.zeros(width), probes)
    (found,), (again,) = explainer.explain(row[None]), explainer.explain(row[None])
    wanted = np.repeat(row[::2].astype(np.float64) * row[1::2] / 2, 2)
    assert found.base[0] + found.parts.sum() == pytest.approx(_Products().predict(row[None])[0])
    assert found.error is not None
    # An order and its opposite give each of two factors its half: pairs have no error here.
    np.testing.assert_allclose(found.parts[:, 0], wanted, atol=1e-9)
    np.testing.assert_array_equal(found.parts, again.parts)
    assert found.space == "value"


class _Threes(_Products):
    """Products of three: pairs of orders leave an error."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        wide = matrix.astype(np.float64)
        return (wide[:, ::3] * wide[:, 1::3] * wide[:, 2::3]).sum(axis=1)


def test_the_error_that_is_told_is_the_error_that_is_made() -> None:
    row = np.random.default_rng(1).normal(size=21).astype(np.float32)
    probes = np.ones((1, 21), np.float32)
    (found,) = ShapleyExplainer(_Threes(), "regression", np.zeros(21), probes).explain(row[None])
    wanted = np.repeat(row.reshape(-1, 3).astype(np.float64).prod(axis=1) / 3, 3)
    off = np.abs(found.parts[:, 0] - wanted).max()
    assert found.error is not None
    assert 0 < off < 4 * found.error
    assert found.error < 0.2 * np.abs(wanted).max()


class _Rounded(_Products):
    """A sum of its features, in float32."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        return matrix.sum(axis=1).astype(np.float64)


def test_what_a_sum_rounds_off_goes_to_the_base() -> None:
    probes = np.ones((3, 4), np.float32)
    row = np.array([1e7, 0.3, 0.7, -3.0], np.float32)
    (found,) = ShapleyExplainer(_Rounded(), "regression", np.zeros(4), probes).explain(row[None])
    assert found.error is None
    total = found.base[0] + found.parts.sum()
    assert total == pytest.approx(_Rounded().predict(row[None])[0], abs=1e-8)


def test_a_row_that_is_the_reference_has_no_parts() -> None:
    model, rows = _fitted("sklearn:ensemble.RandomForestClassifier", "binary")
    reference = REFERENCE.astype(np.float32)
    (found,) = ShapleyExplainer(model, "binary", REFERENCE, rows[:9]).explain(reference[None])
    assert not found.parts.any()
    assert found.base[0] == model.predict(reference[None])[0]


def test_a_model_that_is_too_wide_is_refused() -> None:
    wide = np.zeros((1, 1001), np.float32)
    with pytest.raises(RequestError, match="1001 features") as caught:
        ShapleyExplainer(_Products(), "regression", wide[0], wide).explain(wide)
    assert caught.value.status == 422


def test_the_reference_is_the_middle_of_each_column() -> None:
    def column(name: str, distribution: Any, count: int = 10, missing: int = 0) -> ColumnProfile:
        return ColumnProfile(name, "input", "float", count, missing, 0.0, distribution)

    profile = Profile(
        10,
        (
            column("bins", Bins((1.0, 2.0, 4.0), (1, 4, 5))),
            column("values", Values((0.0, 1.0), (3, 7))),
            column("kind", Categories({"gone": 9, "b": 3, "a": 2}, 0)),
            column("rare", Values((5.0,), (4,)), 4, 6),
        ),
    )
    names = ("bins", "values", "kind", "rare", "unknown")
    features = [
        Feature(n, *(("category", ("a", "b")) if n == "kind" else ("numeric",))) for n in names
    ]
    np.testing.assert_array_equal(reference_row(profile, features), [2.0, 1.0, 1.0, np.nan, np.nan])


def test_an_answer_names_parts_by_feature_and_by_class(samples: Samples) -> None:
    sample = samples["multiclass", True]
    bundle = open_bundle(sample.path)
    model = load_model(bundle)
    rows = sample.matrix[3:5]
    explanations = open_explainer(bundle, model).explain(rows)
    predictions = render(bundle.manifest, model.predict(rows))
    told = explained(bundle.manifest, rows, predictions, explanations)
    names = [feature.name for feature in bundles.FEATURES]
    for one, row in zip(told, rows, strict=True):
        given = [math.nan if v is None else v for v in one["features"].values()]
        assert list(one["features"]) == names
        np.testing.assert_array_equal(given, row)
        assert list(one["contributions"]) == list(one["base"]) == list(one["probabilities"])
        assert all(list(parts) == names for parts in one["contributions"].values())
        # Logistic regression: its margin, as log probabilities less their mean.
        assert one["space"] == "margin"
        logs = {label: math.log(p) for label, p in one["probabilities"].items()}
        for label, log in logs.items():
            total = one["base"][label] + sum(one["contributions"][label].values())
            assert total == pytest.approx(log - sum(logs.values()) / 3, abs=1e-5)


async def _explain(path: Path, value: Any, at: str = "/v1/explain") -> tuple[int, Any]:
    status, _, body = await client_of(path).ask("POST", at, msgspec.json.encode(value))
    return status, msgspec.json.decode(body)


@pytest.mark.parametrize(
    ("task", "onnx"),
    [(t, o) for t in ("binary", "multiclass", "regression") for o in (False, True)],
)
def test_explain_answers_as_predict_does_and_its_form_is_the_document_s(
    samples: Samples, task: str, *, onnx: bool
) -> None:
    sample = samples[task, onnx]
    client = client_of(sample.path)
    bundle = open_bundle(sample.path)
    status, answer = asyncio.run(_explain(sample.path, sample.events[3:9]))
    assert status == 200
    _, plain = asyncio.run(client.predict(sample.events[3:9]))
    document = openapi(bundle, sample.events[3])
    schema = document["components"]["schemas"]["Explanation"]
    for found, wanted in zip(answer["predictions"], plain["predictions"], strict=True):
        jsonschema.validate(found, schema)
        assert difference(bundle.manifest, wanted, found) is None
    at = f"/v1/models/delays/versions/{bundle.version}/explain"
    _, alone = asyncio.run(_explain(sample.path, sample.events[4], at))
    assert difference(bundle.manifest, answer["predictions"][1], alone["predictions"][0]) is None


def test_explain_refuses_as_predict_does_and_long_lists(binary: bundles.Sample) -> None:
    wrong = [binary.events[0], {**binary.events[1], "distance": "far"}]
    status, answer = asyncio.run(_explain(binary.path, wrong))
    assert (status, answer["error"]["field"], answer["error"]["row"]) == (422, "distance", 1)
    status, answer = asyncio.run(_explain(binary.path, [binary.events[0]] * 1001))
    assert status == 413
    assert "1000 events" in answer["error"]["message"]
