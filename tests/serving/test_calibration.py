"""Bundles of format 2, through every way of asking; and that others know nothing of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import bundles
import decided
from mlops_cli.bundle.calibration import Isotonic, Sigmoid, Temperature
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.calibration import calibrated, with_interval
from mlops_cli.serving.golden import replay
from mlops_cli.serving.predictor import open_predictor
from running import client_of

NAMES = sorted(decided.KINDS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, decided.Decided]:
    """A bundle of each kind."""
    folder = tmp_path_factory.mktemp("decided")
    return {name: decided.write(folder / name, name) for name in NAMES}


def close(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if found.get("label") != wanted.get("label"):
        return False
    numbers = {k: v for k, v in wanted.items() if isinstance(v, float)}
    numbers |= wanted.get("probabilities", {})
    got = found | found.get("probabilities", {})
    return all(got[k] == pytest.approx(v, abs=2e-6) for k, v in numbers.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_way_answers_what_the_formula_says(
    made: dict[str, decided.Decided], name: str
) -> None:
    one = made[name]
    client, events = client_of(one.path), one.events
    wanted = [decided.said(one.kind, answer) for answer in one.answers.tolist()]
    _, many = asyncio.run(client.predict(events))
    assert all(map(close, many["predictions"], wanted))
    _, alone = asyncio.run(client.predict(events[7]))
    assert alone["predictions"][0] == many["predictions"][7]
    status, explained = asyncio.run(
        client.ask("POST", "/v1/explain", json.dumps(events[:9]).encode())
    )[::2]
    assert status == 200
    for told, plain in zip(json.loads(explained)["predictions"], many["predictions"], strict=False):
        assert {k: told[k] for k in plain} == plain


@pytest.mark.parametrize("name", NAMES)
def test_tensors_and_their_description_have_the_same_fields(
    made: dict[str, decided.Decided], name: str
) -> None:
    one = made[name]
    client, events = client_of(one.path), one.events[:30]
    _, wanted = asyncio.run(client.predict(events))
    types = {"text": "BYTES", "date": "BYTES", "timestamp": "BYTES", "integer": "INT64",
             "float": "FP64", "boolean": "BOOL"}  # fmt: skip
    inputs = [
        {"name": i.name, "datatype": types[i.type], "shape": [len(events)],
         "data": [event[i.name] for event in events]}
        for i in bundles.INPUTS
    ]  # fmt: skip
    content = json.dumps({"inputs": inputs}).encode()
    status, _, body = asyncio.run(client.ask("POST", "/v2/models/delays/infer", content))
    assert status == 200
    outputs = {o["name"]: o["data"] for o in json.loads(body)["outputs"]}
    _, _, told = asyncio.run(client.ask("GET", "/v2/models/delays"))
    assert [o["name"] for o in json.loads(told)["outputs"]] == list(outputs)
    for field in ("label", "probability", "value", "low", "high"):
        if field in wanted["predictions"][0]:
            assert outputs[field] == [p[field] for p in wanted["predictions"]]


@pytest.mark.parametrize("name", NAMES)
def test_the_document_describes_the_answer(made: dict[str, decided.Decided], name: str) -> None:
    client = client_of(made[name].path)
    _, _, content = asyncio.run(client.ask("GET", "/openapi.json"))
    schema = json.loads(content)["components"]["schemas"]["Prediction"]
    _, answer = asyncio.run(client.predict(made[name].events[0]))
    jsonschema.validate(answer["predictions"][0], schema)
    assert set(schema["required"]) == set(answer["predictions"][0])


@pytest.mark.parametrize("name", NAMES)
def test_golden_rows_are_replayed_and_a_row_is_the_same_in_any_company(
    made: dict[str, decided.Decided], name: str
) -> None:
    bundle = open_bundle(made[name].path)
    assert bundle.manifest.format == "2.0"
    predictor = open_predictor(bundle)
    assert replay(bundle, predictor) == len(made[name].events)
    matrix = predictor.encode(made[name].events)
    together = predictor.numbers(matrix)
    for size in (1, 3, 50):
        parts = [predictor.numbers(matrix[i : i + size]) for i in range(0, len(matrix), size)]
        assert np.concatenate(parts).tobytes() == together.tobytes()


def test_an_onnx_model_is_calibrated_and_explained_before_the_calibrator(tmp_path: Path) -> None:
    one = decided.write(tmp_path / "onnx", "isotonic", onnx=True)
    plain = client_of(tmp_path / "onnx-plain")
    client = client_of(one.path)
    asked = json.dumps(one.events[:5]).encode()
    told, before = (
        json.loads(asyncio.run(c.ask("POST", "/v1/explain", asked))[2])["predictions"]
        for c in (client, plain)
    )
    for a, b in zip(told, before, strict=True):
        assert a["probability"] != b["probability"]
        assert (a["contributions"], a["base"]) == (b["contributions"], b["base"])


@pytest.mark.parametrize(
    "calibrator",
    [
        decided.TABLE,
        Isotonic((0.0, 1.0), (0.0, 1.0)),
        Sigmoid(3.0, 1.0),
        Sigmoid(50.0, 0.0),
        Temperature(0.05),
        Temperature(30.0),
    ],
)
def test_order_is_kept_and_no_answer_is_0_or_1(calibrator: Any) -> None:
    raw = np.sort(np.concatenate([[0.0, 1.0], np.random.default_rng(0).random(500)]))
    found = calibrated(calibrator, raw)
    assert (np.diff(found) >= 0).all()
    assert found.min() > 0
    assert found.max() < 1
    inner = (raw > 0.3) & (raw < 0.7)
    assert (np.diff(found[inner]) > 0).sum() > inner.sum() / 4


@pytest.mark.parametrize("temperature", [0.01, 1.0, 40.0])
def test_several_classes_stay_in_their_order_and_sum_to_1(temperature: float) -> None:
    raw = np.random.default_rng(1).dirichlet([0.2, 0.5, 1.0, 2.0], 400)
    raw[0] = [1.0, 0.0, 0.0, 0.0]
    found = calibrated(Temperature(temperature), raw)
    assert found.sum(axis=1) == pytest.approx(1.0)
    assert (found > 0).all()
    assert (found.argmax(axis=1) == raw.argmax(axis=1)).all()


def test_quantiles_that_cross_are_put_in_order_around_the_value() -> None:
    values = np.array([1.0, 5.0, -3.0])
    low, high = np.array([2.0, 4.0, 0.0]), np.array([0.0, 6.0, 1.0])
    for width in (0.5, -2.0):
        found = with_interval(values, width, (low, high))
        assert (found[:, 1] <= found[:, 0]).all()
        assert (found[:, 0] <= found[:, 2]).all()
    assert with_interval(values, 0.5, (low, high)).tolist() == [
        [1.0, -0.5, 2.5],
        [5.0, 3.5, 6.5],
        [-3.0, -3.0, 1.5],
    ]


def test_a_bundle_without_it_imports_nothing_of_it(tmp_path: Path) -> None:
    bundles.write(tmp_path / "plain", n=20)
    decided.write(tmp_path / "decided", "isotonic", n=20)
    code = (
        "import sys; from pathlib import Path; from mlops_cli.bundle.reader import open_bundle; "
        "from mlops_cli.serving.predictor import open_predictor; import mlops_cli.serving.server; "
        "open_predictor(open_bundle(Path(sys.argv[1]))); "
        "print(sorted(m for m in sys.modules if m.startswith('mlops_cli') and 'calibration' in m))"
    )
    found = {
        name: subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for name in ("plain", "decided")
    }
    assert found["plain"] == "[]"
    assert "mlops_cli.serving.calibration" in found["decided"]
