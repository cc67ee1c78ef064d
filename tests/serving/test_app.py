"""The server's pages, its answers by task, and what it counts."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import bundles
from mlops_cli.bundle.manifest import Target
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.golden import difference
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.page import Page
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
        ("GET", "/", 200),
        ("HEAD", "/docs", 200),
        ("POST", "/", 405),
        ("GET", "/docs/", 404),
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


def test_every_answer_has_a_request_id(client: Client) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/none"), ("PUT", "/v1/predict")):
        _, headers, _ = asyncio.run(client.ask(method, path))
        assert re.fullmatch(rb"[0-9a-f]{32}", headers[b"x-request-id"]), path


def test_a_path_may_name_model_and_version(client: Client, binary: bundles.Sample) -> None:
    version = open_bundle(binary.path).version

    def asked(path: str) -> tuple[int, bytes]:
        status, _, body = asyncio.run(
            client.ask("POST", path, msgspec.json.encode(binary.events[0]))
        )
        return status, body

    for path in ("delays", f"delays/versions/{version}"):
        status, body = asked(f"/v1/models/{path}/predict")
        assert status == 200, path
        assert msgspec.json.decode(body)["version"] == version
    for path in ("others", "delays/versions/0123456789ab", f"others/versions/{version}"):
        status, body = asked(f"/v1/models/{path}/predict")
        assert status == 404, path
        assert "there is no model" in body.decode()
    assert asked("/v1/models/delays/versions/predict")[0] == 404


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


def test_the_page_shows_the_model_and_an_example_that_is_answered(client: Client) -> None:
    ready = msgspec.json.decode(asyncio.run(client.ask("GET", "/readyz"))[2])
    status, headers, body = asyncio.run(client.ask("GET", "/"))
    assert status == 200
    assert headers[b"content-type"] == b"text/html; charset=utf-8"
    assert asyncio.run(client.ask("GET", "/docs"))[2] == body
    page = _Read(body.decode())
    shown = " ".join(page.text.split())
    assert f"Predicts late (binary). Version {ready['version']}." in shown
    assert [row[:2] for row in page.rows][1:4] == [
        ["carrier", "text or null"],
        ["origin", "text"],
        ["distance", "integer"],
    ]
    example = msgspec.json.decode(page.example)
    assert asyncio.run(client.predict(example))[0] == 200


def test_the_page_loads_nothing_and_runs_only_its_own_script(client: Client) -> None:
    _, headers, body = asyncio.run(client.ask("GET", "/docs"))
    page = _Read(body.decode())
    policy = dict(
        part.strip().split(" ", 1)
        for part in headers[b"content-security-policy"].decode().split(";")
    )
    digests = {
        kind: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for kind, content in page.own.items()
    }
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == f"'sha256-{digests['script']}'"
    assert policy["style-src"] == f"'sha256-{digests['style']}'"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert not [v for v in page.links if re.match(r"(\w+:)?//|/", v)]  # a prefix stays before all
    assert not page.inline


def test_what_the_page_takes_from_a_model_is_text(binary: bundles.Sample) -> None:
    bundle = open_bundle(binary.path)
    evil = "</textarea><script>alert(1)</script>{{example}}'\"&"
    first, *others = bundle.manifest.inputs
    inputs = (msgspec.structs.replace(first, name=evil, categories=(evil,)), *others)
    manifest = msgspec.structs.replace(bundle.manifest, inputs=inputs, target=Target(evil))
    page = _Read(
        Page(dataclasses.replace(bundle, manifest=manifest), {evil: evil}).content.decode()
    )
    assert page.scripts == 1
    assert not page.inline
    assert msgspec.json.decode(page.example) == {evil: evil}
    assert page.rows[1][0] == evil
    assert evil in page.rows[1][2]


class _Read(HTMLParser):
    """What a browser has of a page: its text, its table, the example, and what it would load."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = self.example = ""
        self.rows: list[list[str]] = []
        self.own: dict[str, str] = {}
        self.links: list[str] = []
        self.inline: list[str] = []
        self.scripts = 0
        self._within: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within.append(tag)
        self.scripts += tag == "script"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        for name, value in attrs:
            if name in ("src", "href", "action", "srcset") and value != "data:,":
                self.links.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(name)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "textarea" in self._within:
            self.example += data
        elif self._within and self._within[-1] in ("script", "style"):
            self.own[self._within[-1]] = data
        elif "td" in self._within:
            self.rows[-1][-1] += data
        else:
            self.text += data


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
    version = f'variant="champion",version="{bundle.version}"'
    assert f'mlops_requests_total{{code="500",{version}}} 1\n' in text
