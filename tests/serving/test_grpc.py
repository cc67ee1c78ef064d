"""The Open Inference Protocol over gRPC: its answers, its errors, keys, bounds, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
import decided
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.app import App
from mlops_cli.serving.auth import Key, KeyScope, digest_of_key, format_keys
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.settings import Limits, Settings
from running import client_of, serving
from servers import free_port

pytestmark = pytest.mark.extras
grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed: nox -s extras")

from mlops_cli.serving.grpc_server import GrpcServer  # noqa: E402
from mlops_cli.serving.protocols import open_inference_pb2 as pb  # noqa: E402

TYPES = {"text": "BYTES", "date": "BYTES", "timestamp": "BYTES", "integer": "INT64",
         "float": "FP64", "boolean": "BOOL"}  # fmt: skip
FIELDS = {"BYTES": "bytes_contents", "INT64": "int64_contents", "FP64": "fp64_contents",
          "BOOL": "bool_contents"}  # fmt: skip


class Calls:
    """Calls the methods of a server with messages."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    async def call(self, method: str, message: Any, *metadata: tuple[str, str]) -> Any:
        answer = getattr(pb, f"{method}Response")
        ask = self._channel.unary_unary(
            f"/inference.GRPCInferenceService/{method}",
            request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return await ask(message, metadata=metadata, timeout=20)


@asynccontextmanager
async def answering(path: Path, settings: Settings | None = None) -> AsyncIterator[Calls]:
    bundle = open_bundle(path)
    app = App(bundle, open_predictor(bundle), settings=settings or Settings())
    server, port = GrpcServer(app), free_port()
    await server.start("127.0.0.1", port)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Calls(channel)
    await server.stop(0)


def request(events: list[Any], *, raw: bool = False, **more: Any) -> Any:
    message = pb.ModelInferRequest(model_name="delays", **more)
    for i in bundles.INPUTS:
        datatype = TYPES[i.type]
        tensor = message.inputs.add(name=i.name, datatype=datatype, shape=[len(events), 1])
        values = [event[i.name] for event in events]
        values = [v.encode() if isinstance(v, str) else v for v in values]
        if not raw:
            getattr(tensor.contents, FIELDS[datatype]).extend(values)
        elif datatype == "BYTES":
            parts = [len(v).to_bytes(4, "little") + v for v in values]
            message.raw_input_contents.append(b"".join(parts))
        else:
            code = {"INT64": "<i8", "FP64": "<f8", "BOOL": "?"}[datatype]
            message.raw_input_contents.append(np.array(values, code).tobytes())
    return message


def whole(sample: bundles.Sample, n: int) -> list[Any]:
    """Events without a null, which a repeated field cannot hold."""
    return [e for e in sample.events[3:] if None not in e.values()][:n]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_infer_gives_predict_s_numbers(
    samples: dict[tuple[str, bool], bundles.Sample], task: str, *, raw: bool
) -> None:
    sample = samples[task, False]
    events = whole(sample, 6)
    _, wanted = asyncio.run(client_of(sample.path).predict(events))

    async def asked() -> Any:
        async with answering(sample.path) as calls:
            return await calls.call("ModelInfer", request(events, raw=raw, id="mine"))

    answer = asyncio.run(asked())
    assert (answer.model_name, answer.id) == ("delays", "mine")
    names = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}
    at = [output.name for output in answer.outputs].index(names[task])
    if raw:
        found = np.frombuffer(answer.raw_output_contents[at], "<f8")
    else:
        found = np.array(answer.outputs[at].contents.fp64_contents)
    predictions = [p[names[task]] for p in wanted["predictions"]]
    if task == "multiclass":
        assert list(answer.outputs[at].shape) == [6, 3]
        predictions = [x for p in predictions for x in p.values()]
    np.testing.assert_array_equal(found, predictions)


@pytest.mark.parametrize("name", sorted(decided.KINDS))
def test_what_stands_behind_a_model_is_answered_too(tmp_path: Path, name: str) -> None:
    """Thresholds, calibrators and intervals: the fields and numbers that HTTP gives."""
    one = decided.write(tmp_path / "model", name)
    events = [e for e in one.events[3:] if None not in e.values()][:40]
    _, wanted = asyncio.run(client_of(one.path).predict(events))

    async def asked() -> tuple[Any, Any]:
        async with answering(one.path) as calls:
            told = await calls.call("ModelMetadata", pb.ModelMetadataRequest(name="delays"))
            return told, await calls.call("ModelInfer", request(events))

    told, answer = asyncio.run(asked())
    assert [o.name for o in told.outputs] == [o.name for o in answer.outputs]
    found = {o.name: o.contents for o in answer.outputs}
    for field in {"probability", "value", "low", "high"} & wanted["predictions"][0].keys():
        numbers = list(found.pop(field).fp64_contents)
        assert numbers == [p[field] for p in wanted["predictions"]]
    if "label" in found:
        kind = "bytes_contents" if one.kind.task == "multiclass" else "bool_contents"
        labels = [x.decode() if isinstance(x, bytes) else x for x in getattr(found["label"], kind)]
        assert labels == [p["label"] for p in wanted["predictions"]]
    assert found.keys() <= {"label", "probabilities"}


def test_metadata_and_health(binary: bundles.Sample) -> None:
    async def asked() -> None:
        async with answering(binary.path) as calls:
            assert (await calls.call("ServerLive", pb.ServerLiveRequest())).live
            assert (await calls.call("ServerReady", pb.ServerReadyRequest())).ready
            for name, ready in (("delays", True), ("other", False)):
                message = pb.ModelReadyRequest(name=name)
                assert (await calls.call("ModelReady", message)).ready == ready
            told = await calls.call("ModelMetadata", pb.ModelMetadataRequest(name="delays"))
            found = [(i.name, i.datatype) for i in told.inputs]
            assert found == [(i.name, TYPES[i.type]) for i in bundles.INPUTS]
            assert [o.name for o in told.outputs] == ["probability", "label"]
            assert list(told.versions) == [open_bundle(binary.path).version]
            server = await calls.call("ServerMetadata", pb.ServerMetadataRequest())
            assert "binary_tensor_data" in server.extensions

    asyncio.run(asked())


def test_rows_named_null_are_missing(binary: bundles.Sample) -> None:
    events = whole(binary, 3)
    _, wanted = asyncio.run(
        client_of(binary.path).predict([events[0], {**events[1], "temp": None}, events[2]])
    )

    async def asked() -> Any:
        message = request(events)
        place = [i.name for i in message.inputs].index("temp")
        message.inputs[place].parameters["null"].string_param = "[1]"
        async with answering(binary.path) as calls:
            return await calls.call("ModelInfer", message)

    found = list(asyncio.run(asked()).outputs[0].contents.fp64_contents)
    assert found == [p["probability"] for p in wanted["predictions"]]


def _changed(events: list[Any], change: str) -> Any:
    message = request(events, raw=change in ("short", "count"))
    if change == "model":
        message.model_name = "other"
    if change == "version":
        message.model_version = "0123"
    if change == "shape":
        message.inputs[2].shape[0] = 9
    if change == "half":
        message.inputs[2].datatype = "FP16"
    if change == "short":
        message.raw_input_contents[2] += b"x"
    if change == "count":
        message.raw_input_contents.pop()
    if change == "output":
        message.outputs.add(name="score")
    return message


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ("model", "NOT_FOUND", "no model other"),
        ("version", "NOT_FOUND", "no model delays 0123"),
        ("shape", "INVALID_ARGUMENT", "the same number"),
        ("half", "INVALID_ARGUMENT", "raw_input_contents"),
        ("short", "INVALID_ARGUMENT", "distance: its shape says 24 bytes, and 25 came"),
        ("count", "INVALID_ARGUMENT", "7 inputs, and 6 raw_input_contents"),
        ("output", "INVALID_ARGUMENT", "'score'"),
    ],
)
def test_errors_have_a_code_and_the_reason(
    binary: bundles.Sample, change: str, code: str, says: str
) -> None:
    async def asked() -> Any:
        async with answering(binary.path) as calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await calls.call("ModelInfer", _changed(whole(binary, 3), change))
            return caught.value

    error = asyncio.run(asked())
    assert (error.code().name, says in error.details()) == (code, True), error.details()
    assert dict(error.trailing_metadata())["x-request-id"]


def _key(name: str, key: str, *scopes: KeyScope) -> Key:
    return Key(name, digest_of_key(key.encode()), scopes, datetime.now(UTC))


def test_keys_go_as_metadata(binary: bundles.Sample, tmp_path: Path) -> None:
    file, key, other = tmp_path / "keys", "mlops_" + "a" * 43, "mlops_" + "b" * 43
    known = [_key("web", key, "predict"), _key("other", other, "feedback")]
    file.write_bytes(format_keys(known))
    message = request(whole(binary, 2))

    async def code(calls: Calls, *metadata: tuple[str, str]) -> str:
        try:
            await calls.call("ModelInfer", message, *metadata)
        except grpc.aio.AioRpcError as e:
            return str(e.code().name)
        return "OK"

    async def asked() -> list[str]:
        async with answering(binary.path, Settings(keys=str(file))) as calls:
            assert (await calls.call("ServerLive", pb.ServerLiveRequest())).live
            with pytest.raises(grpc.aio.AioRpcError, match="UNAUTHENTICATED"):
                await calls.call("ModelMetadata", pb.ModelMetadataRequest(name="delays"))
            given = [(), *((("authorization", f"Bearer {k}"),) for k in ("x" * 49, other, key))]
            return [await code(calls, *metadata) for metadata in given]

    wanted = ["UNAUTHENTICATED", "UNAUTHENTICATED", "PERMISSION_DENIED", "OK"]
    assert asyncio.run(asked()) == wanted


def test_no_more_than_in_flight_are_worked_on(binary: bundles.Sample) -> None:
    async def asked() -> Any:
        settings = Settings(limits=Limits(in_flight=1))
        async with answering(binary.path, settings) as calls:
            message = request(whole(binary, 3))
            many = [calls.call("ModelInfer", message) for _ in range(50)]
            found = await asyncio.gather(*many, return_exceptions=True)
            await calls.call("ModelInfer", message)  # and afterwards as before
            return found

    found = asyncio.run(asked())
    codes = {e.code().name for e in found if isinstance(e, Exception)}
    assert codes <= {"UNAVAILABLE"}
    assert any(not isinstance(e, Exception) for e in found)


def test_a_port_in_use_is_named(binary: bundles.Sample) -> None:
    bundle = open_bundle(binary.path)

    async def start(port: int) -> None:
        await GrpcServer(App(bundle, open_predictor(bundle))).start("127.0.0.1", port)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"127.0.0.1:{port}"):
            asyncio.run(start(port))


def test_a_process_answers_on_both_ports_and_ends_cleanly(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("MLOPS_SERVE_GRPC__PORT", str(port))
    with serving(binary.path, "--port", str(free_port())) as process:

        async def asked() -> Any:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await Calls(channel).call("ModelInfer", request(whole(binary, 2)))

        assert len(asyncio.run(asked()).outputs) == 2
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
