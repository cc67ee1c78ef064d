"""The server's pages, its answers by task, and what it counts."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.golden import difference
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.predictor import Predictor
from running import Client, client_of


@pytest.mark.parametrize(
    ("task", "onnx"),
    [(t, o) for t in ("binary", "multiclass", "regression") for o in (False, True)],
)
def test_every_task_answers_with_training_s_numbers(
    samples: dict[tuple[str, bool], bundles.Sample], task: str, *, onnx: bool
) -> None:
    sample = samples[task, onnx]
    client = client_of(sample.path)
    status, answer = asyncio.run(client.predict(sample.events))
    assert status == 200
    manifest = open_bundle(sample.path).manifest
    for found, raw in zip(answer["predictions"], sample.raw, strict=True):
        wanted = bundles.prediction(sample.task, raw)
        assert found.keys() == wanted.keys()
        assert difference(manifest, wanted, found) is None
    status, alone = asyncio.run(client.predict(sample.events[7]))
    assert difference(manifest, answer["predictions"][7], alone["predictions"][0]) is None


def test_an_answer_names_model_version_and_request(client: Client, binary: bundles.Sample) -> None:
    body = msgspec.json.encode(binary.events[0])
    bundle = open_bundle(binary.path)
    ask = client.ask("POST", "/v1/predict", body, [(b"x-request-id", b"order-17")])
    _, headers, content = asyncio.run(ask)
    answer = msgspec.json.decode(content)
    assert list(answer) == ["model", "version", "request_id", "predictions"]
    assert (answer["model"], answer["version"]) == ("delays", bundle.digest[:12])
    assert answer["request_id"] == "order-17"
    assert headers[b"x-request-id"] == b"order-17"


@pytest.mark.parametrize("given", [b"", b"a\r\nset-cookie: x", b"x" * 200, "ü".encode(), b" a"])
def test_a_request_id_that_is_not_sane_is_replaced(
    client: Client, binary: bundles.Sample, given: bytes
) -> None:
    body = msgspec.json.encode(binary.events[0])
    ask = client.ask("POST", "/v1/predict", body, [(b"x-request-id", given)])
    _, headers, content = asyncio.run(ask)
    assert re.fullmatch(rb"[0-9a-f]{32}", headers[b"x-request-id"])
    assert msgspec.json.decode(content)["request_id"].encode() == headers[b"x-request-id"]


def test_events_that_come_together_are_each_answered_as_alone(
    client: Client, binary: bundles.Sample
) -> None:
    async def together() -> list[float]:
        asked = [client.predict(event) for event in binary.events[:40]]
        asked.insert(3, client.predict({"origin": 1}))
        answers = await asyncio.gather(*asked)
        assert answers.pop(3)[0] == 422
        return [answer["predictions"][0]["probability"] for _, answer in answers]

    assert asyncio.run(together()) == [float(p) for p in binary.raw[:40]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/", 404),
        ("GET", "/v1/predict/", 404),
        ("GET", "/v1/predict", 405),
        ("DELETE", "/healthz", 405),
    ],
)
def test_pages(client: Client, method: str, path: str, status: int) -> None:
    found, headers, body = asyncio.run(client.ask(method, path))
    assert found == status
    assert int(headers[b"content-length"]) == len(body)
    if status >= 400:
        assert msgspec.json.decode(body)["error"]["message"]


def test_metrics_count_answers_by_status_and_predictions(binary: bundles.Sample) -> None:
    client = client_of(binary.path)

    async def asked() -> bytes:
        await client.predict(binary.events[:3])
        await client.predict(binary.events[0])
        await client.predict({"origin": 3})
        return (await client.ask("GET", "/metrics"))[2]

    text = asyncio.run(asked()).decode()
    found = {
        (sample.name, sample.labels.get("code")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["mlops_requests_total", "200"] == 2
    assert found["mlops_requests_total", "422"] == 1
    assert found["mlops_predictions_total", None] == 4
    assert found["mlops_request_seconds_count", None] == 3
    assert found["mlops_requests_in_flight", None] == 0
    assert open_bundle(binary.path).version in text


def test_the_document_describes_every_input_and_its_example_is_answered(client: Client) -> None:
    _, _, body = asyncio.run(client.ask("GET", "/openapi.json"))
    document = msgspec.json.decode(body)
    event = document["components"]["schemas"]["Event"]
    assert list(event["properties"]) == [i.name for i in bundles.INPUTS]
    assert event["required"] == ["origin", "distance"]
    assert event["properties"]["temp"]["type"] == ["number", "null"]
    assert "enum" not in event["properties"]["carrier"]  # an unseen one is allowed
    assert "Zürich:Air" in event["properties"]["carrier"]["description"]
    prediction = document["components"]["schemas"]["Prediction"]
    assert prediction["properties"]["probability"]["description"] == "of true"
    content = document["paths"]["/v1/predict"]["post"]["requestBody"]["content"]
    example = content["application/json"]["examples"]["event"]["value"]
    assert asyncio.run(client.predict(example))[0] == 200


def test_a_fault_of_the_server_is_json_and_its_log_names_the_request(
    binary: bundles.Sample, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def predict(self, matrix: Matrix) -> Raw:
            raise RuntimeError("out of order")

    bundle = open_bundle(binary.path)
    encoder = RowEncoder(bundle.manifest, bundle.trees())
    client = Client(App(bundle, Predictor(bundle.manifest, Broken(), encoder)))
    ask = client.ask(
        "POST",
        "/v1/predict",
        msgspec.json.encode(binary.events[0]),
        [(b"x-request-id", b"order-17")],
    )
    status, headers, body = asyncio.run(ask)
    assert (status, headers[b"x-request-id"]) == (500, b"order-17")
    assert "out of order" not in body.decode()
    assert "order-17" in caplog.text
    assert "out of order" in caplog.text
    text = asyncio.run(client.ask("GET", "/metrics"))[2].decode()
    assert 'mlops_requests_total{code="500"} 1.0' in text
