"""The Open Inference Protocol over HTTP: its forms, its errors, and what is missing in a tensor."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from running import Client, client_of

Samples = dict[tuple[str, bool], bundles.Sample]
INFER = "/v2/models/delays/infer"
TYPES = {"text": "BYTES", "date": "BYTES", "timestamp": "BYTES", "integer": "INT64",
         "float": "FP64", "boolean": "BOOL"}  # fmt: skip


def _ask(client: Client, body: Any, path: str = INFER, **headers: str) -> tuple[int, Any, bytes]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    status, answered, found = asyncio.run(client.ask("POST", path, content, sent))
    length = answered.get(b"inference-header-content-length")
    head = found if length is None else found[: int(length)]
    return status, msgspec.json.decode(head), b"" if length is None else found[int(length) :]


def _inputs(events: list[Any], *names: str) -> list[dict[str, Any]]:
    return [
        {
            "name": i.name,
            "datatype": TYPES[i.type],
            "shape": [len(events)],
            "data": [event[i.name] for event in events],
        }
        for i in bundles.INPUTS
        if not names or i.name in names
    ]


@pytest.mark.parametrize("onnx", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_infer_gives_predict_s_numbers(samples: Samples, task: str, *, onnx: bool) -> None:
    sample = samples[task, onnx]
    client, events = client_of(sample.path), sample.events[:240]
    _, wanted = asyncio.run(client.predict(events))
    status, answer, _ = _ask(client, {"id": "mine", "inputs": _inputs(events)})
    assert status == 200
    assert (answer["model_name"], answer["id"]) == ("delays", "mine")
    assert answer["model_version"] == open_bundle(sample.path).version
    found = {output["name"]: output for output in answer["outputs"]}
    predictions = wanted["predictions"]
    if task == "regression":
        assert found["value"]["data"] == [p["value"] for p in predictions]
        return
    assert found["label"]["data"] == [p["label"] for p in predictions]
    if task == "binary":
        assert found["probability"]["data"] == [p["probability"] for p in predictions]
        assert found["label"]["datatype"] == "BOOL"
    else:
        assert found["probabilities"]["shape"] == [240, 3]
        wide = np.reshape(found["probabilities"]["data"], (240, 3)).tolist()
        assert wide == [list(p["probabilities"].values()) for p in predictions]
        assert found["label"]["datatype"] == "BYTES"


def test_metadata_is_what_the_outputs_are(samples: Samples) -> None:
    for (_task, _), sample in samples.items():
        client = client_of(sample.path)
        _, _, body = asyncio.run(client.ask("GET", "/v2/models/delays"))
        told = msgspec.json.decode(body)
        assert [(i["name"], i["datatype"]) for i in told["inputs"]] == [
            (i.name, TYPES[i.type]) for i in bundles.INPUTS
        ]
        _, answer, _ = _ask(client, {"inputs": _inputs(sample.events[:2])})
        found = [(o["name"], o["datatype"], [-1, *o["shape"][1:]]) for o in answer["outputs"]]
        assert found == [(o["name"], o["datatype"], o["shape"]) for o in told["outputs"]]
        version = open_bundle(sample.path).version
        assert told["versions"] == [version]
        at = f"/v2/models/delays/versions/{version}"
        assert asyncio.run(client.ask("GET", at))[2] == body


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        ("/v2/health/live", 200, {"live": True}),
        ("/v2/health/ready", 200, {"ready": True}),
        ("/v2/models/delays/ready", 200, {"name": "delays", "ready": True}),
        ("/v2/models/other/ready", 404, {"error": "there is no model other"}),
        ("/v2/models/delays/versions/0123/ready", 404, {"error": "there is no model delays 0123"}),
    ],
)
def test_health(client: Client, path: str, status: int, content: Any) -> None:
    found, _, body = asyncio.run(client.ask("GET", path))
    assert (found, msgspec.json.decode(body)) == (status, content)


def test_a_server_that_drains_is_not_ready(binary: bundles.Sample) -> None:
    client = client_of(binary.path)
    client.app.admission.draining = True
    assert asyncio.run(client.ask("GET", "/v2/health/ready"))[0] == 503
    assert asyncio.run(client.ask("GET", "/v2/health/live"))[0] == 200


def test_binary_tensors_both_ways(client: Client, binary: bundles.Sample) -> None:
    events = [
        {**e, "carrier": "AA", "temp": 3.5} for e in binary.events[3:13] if e["wet"] is not None
    ]
    _, wanted = asyncio.run(client.predict(events))
    tails, inputs = [], _inputs(events)
    codes = {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}
    for tensor in inputs:
        data = tensor.pop("data")
        if tensor["datatype"] == "BYTES":
            texts = [text.encode() for text in data]
            tails.append(b"".join(struct.pack("<I", len(text)) + text for text in texts))
        else:
            tails.append(np.array(data, codes[tensor["datatype"]]).tobytes())
        tensor["parameters"] = {"binary_data_size": len(tails[-1])}
        tensor["shape"] = [len(events), 1]
    asked = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    head = json.dumps(asked).encode()
    body = b"".join([head, *tails])
    length = {"inference_header_content_length": str(len(head))}
    status, answer, tail = _ask(client, body, **length)
    assert status == 200
    probability, label = answer["outputs"]
    size = probability["parameters"]["binary_data_size"]
    assert "data" not in probability
    found = np.frombuffer(tail[:size], "<f8").tolist()
    assert found == [p["probability"] for p in wanted["predictions"]]
    assert list(tail[size:]) == [p["label"] for p in wanted["predictions"]]
    assert label["parameters"]["binary_data_size"] == len(events)
    # Truncated, too long, or in the wrong place: never another number.
    for cut in (body[:-1], body + b"x"):
        status, answer, _ = _ask(client, cut, **length)
        assert status == 400
        assert answer["error"]
    assert _ask(client, body, inference_header_content_length="999999")[0] == 400


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_numbers_of_other_widths_are_taken_as_they_are(
    client: Client, binary: bundles.Sample, datatype: str
) -> None:
    event = {**binary.events[5], "temp": 10.25, "distance": 512}
    _, wanted = asyncio.run(client.predict(event))
    content = np.array([10.25], f"<f{int(datatype[2:]) // 8}").tobytes()
    inputs = _inputs([event])
    for tensor in inputs:
        if tensor["name"] == "temp":
            del tensor["data"]
            tensor |= {"datatype": datatype, "parameters": {"binary_data_size": len(content)}}
        if tensor["name"] == "distance":
            tensor["datatype"] = "INT16"
    head = json.dumps({"inputs": inputs}).encode()
    length = str(len(head))
    status, answer, _ = _ask(client, head + content, inference_header_content_length=length)
    assert status == 200
    assert answer["outputs"][0]["data"] == [wanted["predictions"][0]["probability"]]


@pytest.mark.parametrize("spelling", ["NaN", "Infinity", "-Infinity", "null"])
def test_every_spelling_of_missing_is_null(
    client: Client, binary: bundles.Sample, spelling: str
) -> None:
    events = binary.events[5:8]
    _, wanted = asyncio.run(client.predict([{**e, "temp": None} for e in events]))
    inputs = _inputs([{**e, "temp": 7.25} for e in events])
    body = json.dumps({"inputs": inputs}).replace("7.25", spelling).encode()
    status, answer, _ = _ask(client, body)
    assert status == 200
    probabilities = [p["probability"] for p in wanted["predictions"]]
    assert answer["outputs"][0]["data"] == probabilities
    left_out = [tensor for tensor in inputs if tensor["name"] != "temp"]
    assert _ask(client, {"inputs": left_out})[1]["outputs"][0]["data"] == probabilities


@pytest.mark.parametrize("rows", [[1], "[1]"])
def test_rows_named_null_are_missing(client: Client, binary: bundles.Sample, rows: Any) -> None:
    events = [{**e, "carrier": "AA"} for e in binary.events[5:8]]
    _, wanted = asyncio.run(client.predict([events[0], {**events[1], "carrier": None}, events[2]]))
    inputs = _inputs([events[0], {**events[1], "carrier": ""}, events[2]])
    inputs[0]["parameters"] = {"null": rows}
    status, answer, _ = _ask(client, {"inputs": inputs})
    assert status == 200
    assert answer["outputs"][0]["data"] == [p["probability"] for p in wanted["predictions"]]


def test_only_outputs_that_are_asked_for_are_answered(
    client: Client, binary: bundles.Sample
) -> None:
    asked = {"inputs": _inputs(binary.events[3:5]), "outputs": [{"name": "label"}]}
    _, answer, _ = _ask(client, asked)
    assert [output["name"] for output in answer["outputs"]] == ["label"]
    asked["outputs"] = [{"name": "score"}]
    status, answer, _ = _ask(client, asked)
    assert status == 400
    assert "'score'" in answer["error"]
    assert "probability, label" in answer["error"]


def _wrong(**changes: Any) -> list[dict[str, Any]]:
    inputs = _inputs(bundles.events(3))
    inputs[2] |= changes
    return inputs


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not an inference request"),
        (b'{"inputs": [NaN]}', "not an inference request"),
        (b'{"x": NaN, "id": "\\ud800", "inputs": []}', "not an inference request"),
        ({"instances": []}, "inputs"),
        ({"inputs": []}, "must have rows"),
        ({"inputs": _wrong(shape=[2])}, "the same number"),
        ({"inputs": _wrong(shape=[3, 2])}, "one element a row"),
        ({"inputs": _wrong(shape=[-3])}, "one element a row"),
        ({"inputs": _wrong(data=[1, 2])}, "distance: its shape says 3 elements, and 2 came"),
        ({"inputs": _wrong(data=[1, "2", 3])}, "row 1: distance: an element is no INT64"),
        ({"inputs": _wrong(data=[1, True, 3])}, "row 1: distance"),
        ({"inputs": _wrong(data=[1, None, 3])}, "row 1: distance must not be null"),
        ({"inputs": _wrong(data={"a": 1})}, "has no data"),
        ({"inputs": _wrong(datatype="BF16")}, "'BF16' is not known"),
        ({"inputs": _wrong(datatype="FP64", data=[1, 2.5, 3])}, "row 1: distance"),
        ({"inputs": _wrong(name="Distance")}, "distance"),
        ({"inputs": _wrong(name="origin")}, "stands twice"),
        ({"inputs": _wrong(parameters={"binary_data_size": 24})}, "binary_data_size"),
        ({"inputs": _wrong(parameters={"null": [3]})}, "rows, from 0 to 2"),
        ({"inputs": _wrong(parameters={"shared_memory_region": "x"})}, "not supported"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}, "no input of"),
    ],
)
def test_errors_are_the_protocol_s(client: Client, body: Any, says: str) -> None:
    status, answer, _ = _ask(client, body)
    assert status == 400
    assert list(answer) == ["error"]
    assert says in answer["error"]


def test_the_document_tells_of_it_in_the_forms_that_are_answered(
    client: Client, binary: bundles.Sample
) -> None:
    _, _, body = asyncio.run(client.ask("GET", "/openapi.json"))
    document = msgspec.json.decode(body)
    schemas = document["components"]["schemas"]
    asked = {"inputs": _inputs(binary.events[3:5])}
    jsonschema.validate(asked, schemas["InferRequest"])
    jsonschema.validate(_ask(client, asked)[1], schemas["InferResponse"])
    jsonschema.validate(_ask(client, {})[1], schemas["InferError"])
    for path, methods in document["paths"].items():
        if path.startswith("/v2") and "get" in methods:
            of = {p["name"]: p["example"] for p in methods["get"]["parameters"]}
            assert asyncio.run(client.ask("GET", path.format(**of)))[0] == 200


def test_other_refusals(client: Client) -> None:
    one = {"name": "temp", "shape": [100_001], "datatype": "FP32", "data": [1] * 100_001}
    assert _ask(client, {"inputs": [one]})[0] == 413
    assert _ask(client, b"[" * 1_000_001)[0] == 413
    assert _ask(client, b"x", content_encoding="gzip")[0] == 415
    status, answer, _ = _ask(client, {"inputs": []}, "/v2/models/other/infer")
    assert (status, answer) == (404, {"error": "there is no model other"})
    assert asyncio.run(client.ask("GET", INFER))[0] == 405
