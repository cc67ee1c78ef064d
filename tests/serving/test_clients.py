"""Other projects' own clients, each in an environment of its own, ask a real server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bundles
from running import client_of, serving
from servers import free_port

pytestmark = pytest.mark.extras
FOLDER = os.environ.get("MLOPS_CLIENTS", "")  # environments, each named by its package


def _python(package: str) -> str:
    python = Path(FOLDER) / package / "bin/python"
    if not FOLDER or not python.is_file():
        pytest.skip(f"no environment with {package}: nox -s clients makes them")
    return str(python)


TRITON = """
import json, sys
import numpy as np, tritonclient.grpc as g, tritonclient.http as h
from tritonclient.utils import InferenceServerException
events, inputs = json.loads(sys.argv[1]), json.loads(sys.argv[2])
http, rpc = sys.argv[3:5]
types = {"BYTES": np.object_, "INT64": np.int64, "FP64": np.float64, "BOOL": np.bool_}
found = []
as_json, as_bytes = {"binary_data": False}, {"binary_data": True}
for lib, port, how in ((h, http, as_json), (h, http, as_bytes), (g, rpc, {})):
    client = lib.InferenceServerClient(f"127.0.0.1:{port}")
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("delays") and not client.is_model_ready("other")
    told = client.get_model_metadata("delays")
    names = [i["name"] for i in told["inputs"]] if lib is h else [i.name for i in told.inputs]
    assert names == [name for name, _ in inputs], names
    for rows in (events, events[:1]):
        tensors = []
        for name, kind in inputs:
            data = np.array([row[name] for row in rows], types[kind])  # None of a float is NaN
            tensors.append(lib.InferInput(name, [len(rows)], kind))
            tensors[-1].set_data_from_numpy(data, **how)
        for outputs in (None, [lib.InferRequestedOutput("probability", **how)]):
            answer = client.infer("delays", tensors, outputs=outputs, request_id="mine")
            found.append(answer.as_numpy("probability").tolist())
            assert (answer.as_numpy("label") is None) == (outputs is not None)
    try:
        client.infer("other", tensors)
        sys.exit("a model that is not there answers")
    except InferenceServerException as e:
        assert "no model other" in e.message(), e.message()
    client.close()
print(json.dumps(found))
"""
MLSERVER = """
import json, sys, urllib.request
import numpy as np
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
events, inputs, port = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
found = []
for rows in (events, events[:1]):
    tensors = []
    for name, kind in inputs:
        values = [row[name] for row in rows]
        if kind == "BYTES":
            tensors.append(StringCodec.encode_input(name, values))
        else:
            dtype = {"INT64": np.int64, "FP64": np.float64, "BOOL": np.bool_}[kind]
            tensors.append(NumpyCodec.encode_input(name, np.array(values, dtype)))
    body = InferenceRequest(id="mine", inputs=tensors).model_dump_json().encode()
    url = f"http://127.0.0.1:{port}/v2/models/delays/infer"
    asked = urllib.request.Request(url, body, {"content-type": "application/json"})
    answer = InferenceResponse.model_validate_json(urllib.request.urlopen(asked, timeout=20).read())
    assert answer.id == "mine"
    by_name = {output.name: output for output in answer.outputs}
    found.append(NumpyCodec.decode_output(by_name["probability"]).ravel().tolist())
print(json.dumps(found))
"""
KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.constants.constants import PredictorProtocol
events, inputs, port = json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
types = {"BYTES": np.object_, "INT64": np.int64, "FP64": np.float64, "BOOL": np.bool_}

async def ask():
    client = InferenceRESTClient(RESTConfig(protocol=PredictorProtocol.REST_V2.value))
    url = f"http://127.0.0.1:{port}"
    assert await client.is_server_ready(url) and await client.is_server_live(url)
    assert await client.is_model_ready(url, "delays")
    found = []
    for rows in (events, events[:1]):
        for binary in (False, True):
            tensors = []
            for name, kind in inputs:
                tensors.append(InferInput(name, [len(rows)], kind))
                data = np.array([row[name] for row in rows], types[kind])
                tensors[-1].set_data_from_numpy(data, binary_data=binary)
            request = InferRequest("delays", tensors, request_id="mine")
            answer = await client.infer(url, request, model_name="delays")
            output = next(o for o in answer.outputs if o.name == "probability")
            found.append(output.as_numpy().ravel().tolist())
    return found

print(json.dumps(asyncio.run(ask())))
"""
TYPES = {"text": "BYTES", "date": "BYTES", "timestamp": "BYTES", "integer": "INT64",
         "float": "FP64", "boolean": "BOOL"}  # fmt: skip


@pytest.mark.parametrize(
    ("package", "program"),
    [("tritonclient", TRITON), ("mlserver", MLSERVER), ("kserve", KSERVE)],
)
def test_a_client_gets_predict_s_numbers(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch, package: str, program: str
) -> None:
    python = _python(package)
    pytest.importorskip("grpc", reason="the extra grpc is not installed: nox -s clients")
    texts = [i.name for i in bundles.INPUTS if TYPES[i.type] not in ("FP64",)]
    events = [e for e in binary.events[3:] if all(e[name] is not None for name in texts)][:12]
    assert any(event["temp"] is None for event in events)  # which goes as NaN, or as null
    _, answer = asyncio.run(client_of(binary.path).predict(events))
    wanted: list[Any] = [p["probability"] for p in answer["predictions"]]
    http, rpc = free_port(), free_port()
    monkeypatch.setenv("MLOPS_SERVE_GRPC__PORT", str(rpc))
    inputs = json.dumps([[i.name, TYPES[i.type]] for i in bundles.INPUTS])
    given = [json.dumps(events), inputs, str(http), str(rpc)]
    with serving(binary.path, "--port", str(http)):
        said = subprocess.run(
            [python, "-c", program, *given],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert len(found) >= 2
    assert all(numbers == wanted[: len(numbers)] for numbers in found)
