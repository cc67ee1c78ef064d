"""Ways of the same rows: what is equal, and which difference is the largest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.scoring.parity import Difference, Pair, Way, compare
from mlops_cli.serving.predictor import open_predictor

ROWS = [f"row {i}" for i in range(6)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(bundles.write(tmp_path_factory.mktemp("bundle") / "b").path)


@pytest.fixture
def way(bundle: Bundle) -> Way:
    matrix = bundles.matrix(bundles.events(40)[-6:])
    predictor = open_predictor(bundle)
    return Way("training", matrix, predictor.answers(predictor.numbers(matrix)))


def _compared(bundle: Bundle, way: Way, **changed: Any) -> Pair:
    (pair,) = compare(bundle.manifest, [way, dataclasses.replace(way, name="x", **changed)], ROWS)
    return pair


def _with_feature(bundle: Bundle, way: Way, name: str, value: float) -> Any:
    matrix = way.features.copy()
    matrix[4, [f.name for f in bundle.manifest.features].index(name)] = value
    return matrix


def _with_prediction(way: Way, **fields: Any) -> list[dict[str, Any]]:
    return [*way.predictions[:2], way.predictions[2] | fields, *way.predictions[3:]]


def test_the_same_is_equal_and_has_no_difference(bundle: Bundle, way: Way) -> None:
    assert _compared(bundle, way) == Pair("training", "x", True, 0, None, None)


def test_a_step_of_float32_is_equal_and_two_are_not(bundle: Bundle, way: Way) -> None:
    way = dataclasses.replace(way, features=_with_feature(bundle, way, "temp", 3.0))
    for steps, equal in ((1, True), (2, False)):
        near = float(np.float32(3.0) + steps * np.spacing(np.float32(3.0)))
        pair = _compared(bundle, way, features=_with_feature(bundle, way, "temp", near))
        assert (pair.equal, pair.rows) == (equal, int(not equal))
        assert pair.feature == Difference("row 4", "temp", 3.0, near)


def test_missing_against_a_value_is_the_largest_and_a_category_is_its_text(
    bundle: Bundle, way: Way
) -> None:
    carriers = bundle.manifest.features[
        [f.name for f in bundle.manifest.features].index("carrier")
    ].categories
    assert carriers
    way = dataclasses.replace(way, features=_with_feature(bundle, way, "carrier", 1.0))
    features = _with_feature(bundle, way, "carrier", np.nan)
    features[0] *= 2
    pair = _compared(bundle, way, features=features)
    assert pair.feature == Difference("row 4", "carrier", carriers[1], None)
    assert pair.rows == 2


def test_predictions_are_equal_within_the_tolerance(bundle: Bundle, way: Way) -> None:
    p = way.predictions[2]["probability"]
    for more, equal in ((0.9, True), (1.1, False)):
        other = p + more * (1e-6 + 1e-5 * p)
        pair = _compared(bundle, way, predictions=_with_prediction(way, probability=other))
        assert pair.equal is equal
        assert pair.prediction == Difference("row 2", "probability", p, other)


def test_another_label_is_a_difference_where_the_number_decides_it(
    bundle: Bundle, way: Way
) -> None:
    label = way.predictions[2]["label"]
    pair = _compared(bundle, way, predictions=_with_prediction(way, label=not label))
    assert not pair.equal
    assert pair.prediction == Difference("row 2", "label", label, not label)
    at_the_edge = dataclasses.replace(way, predictions=_with_prediction(way, probability=0.5))
    pair = _compared(
        bundle, at_the_edge, predictions=_with_prediction(at_the_edge, label=not label)
    )
    assert pair.equal


def test_each_class_has_its_number(tmp_path: Path) -> None:
    bundle = open_bundle(bundles.write(tmp_path / "m", "multiclass").path)
    matrix = bundles.matrix(bundles.events(40)[-6:])
    predictor = open_predictor(bundle)
    predictions = predictor.answers(predictor.numbers(matrix))
    first = next(iter(predictions[0]["probabilities"]))
    other = [dict(p, probabilities=dict(p["probabilities"])) for p in predictions]
    other[3]["probabilities"][first] += 0.001
    ways = [Way("a", matrix, predictions), Way("b", matrix, other)]
    (pair,) = compare(bundle.manifest, ways, ROWS)
    assert pair.prediction is not None
    assert (pair.rows, pair.prediction.row, pair.prediction.name) == (1, "row 3", first)
