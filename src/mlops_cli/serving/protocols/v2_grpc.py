"""The Open Inference Protocol over gRPC: messages to what HTTP's tensors become, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from mlops_cli.serving.admission import LARGE, Admission
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.protocols import open_inference_pb2 as messages
from mlops_cli.serving.protocols.divided_tensors import VERSIONS, answered
from mlops_cli.serving.protocols.open_inference import (
    EXTENSIONS,
    SERVER,
    Output,
    check_outputs,
    chosen,
    inputs_of,
    outputs_of,
    rows_of,
)
from mlops_cli.serving.protocols.tensors import Column, Shaped, from_bytes, from_elements, to_bytes
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.routes import SANE_ID, Answer, Request, Route
from mlops_cli.serving.versions import Versions

SERVICE = "inference.GRPCInferenceService"
# Where a repeated field holds the elements of each type; FP16 has none.
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class V2Grpc:
    """Its methods, as routes whose bodies are messages; they are the handlers' own to read."""

    def __init__(
        self, versions: Versions, admission: Admission, log: PredictionLog | None = None
    ) -> None:
        self._versions = versions
        self._admission = admission
        self._log = log
        self._one_large = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The table, by gRPC's names of methods. All but the two health checks need a key."""
        health = {"ServerLive": self._live, "ServerReady": self._ready}
        pages = {
            "ServerMetadata": self._server,
            "ModelMetadata": self._model,
            "ModelReady": self._model_ready,
        }
        asked = Route(_path("ModelInfer"), {"POST": self._infer}, "predict", error=error)
        return [
            asked,
            *(
                Route(_path(name), {"POST": page}, "predict", asks_model=False, error=error)
                for name, page in pages.items()
            ),
            *(
                Route(_path(name), {"POST": page}, asks_model=False, error=error)
                for name, page in health.items()
            ),
        ]

    async def _live(self, _: Request) -> Answer:
        return _told(messages.ServerLiveResponse(live=True))

    async def _ready(self, _: Request) -> Answer:
        return _told(messages.ServerReadyResponse(ready=not self._admission.draining))

    async def _server(self, _: Request) -> Answer:
        version = self._versions.default.version
        return _told(
            messages.ServerMetadataResponse(name=SERVER, version=version, extensions=EXTENSIONS)
        )

    async def _model(self, request: Request) -> Answer:
        asked = _read(messages.ModelMetadataRequest, request.body)
        served = self._versions.known(asked.name, asked.version or None)
        manifest = served.bundle.manifest
        return _told(
            messages.ModelMetadataResponse(
                name=served.model,
                versions=self._versions.names(served),
                platform=manifest.model,
                inputs=inputs_of(manifest),
                outputs=outputs_of(manifest),
            )
        )

    async def _model_ready(self, request: Request) -> Answer:
        asked = _read(messages.ModelReadyRequest, request.body)
        try:
            self._versions.known(asked.name, asked.version or None)
        except RequestError:
            return _told(messages.ModelReadyResponse(ready=False))
        return _told(messages.ModelReadyResponse(ready=True))

    async def _infer(self, request: Request) -> Answer:
        asked = _read(messages.ModelInferRequest, request.body)
        request.served = self._versions.known(asked.model_name, asked.model_version or None)
        if len(request.body) <= LARGE:
            return await _inferred(request, asked, self._versions, self._log)
        async with self._one_large:  # one after another: what they hold is many times their size
            return await _inferred(request, asked, self._versions, self._log)


def error(message: str, field: str | None, row: int | None) -> bytes:
    """The details of a status that is an error."""
    del field  # the message names it
    return (message if row is None else f"row {row}: {message}").encode(errors="replace")


def _path(method: str) -> str:
    return f"/{SERVICE}/{method}"


def _read(kind: Callable[[], Any], body: bytes) -> Any:
    message = kind()
    try:
        message.ParseFromString(body)
    except DecodeError as e:
        raise RequestError(400, "the message cannot be read") from e
    return message


def _told(message: Any) -> Answer:
    return 200, message.SerializeToString()


async def _inferred(
    request: Request, asked: Any, versions: Versions, log: PredictionLog | None
) -> Answer:
    served = versions.known(asked.model_name, asked.model_version or None)
    if SANE_ID.fullmatch(asked.id.encode()):
        request.id = asked.id.encode()
    check_outputs(served.bundle.manifest, [o.name for o in asked.outputs])
    columns, rows = _columns(asked)
    said = await answered(versions, log, asked.model_version or None, request, columns, rows)
    request.rows, served = rows, said.version
    found = chosen(said.said, [o.name for o in asked.outputs])
    answer = messages.ModelInferResponse(
        model_name=served.model,
        model_version=served.version,
        id=asked.id or request.id.decode("ascii"),
    )
    if said.versions is not None:
        answer.parameters[VERSIONS].string_param = ",".join(said.versions)
    as_bytes = bool(asked.raw_input_contents)
    for output in found:
        _add(answer, output, as_bytes=as_bytes)
    return _told(answer)


def _columns(asked: Any) -> tuple[list[Column], int]:
    shaped = [
        Shaped(i.name, i.datatype, list(i.shape), _parameters(i.parameters)) for i in asked.inputs
    ]
    rows = rows_of(shaped)
    raw = asked.raw_input_contents
    if raw:
        if len(raw) != len(shaped):
            said = f"{len(shaped)} inputs, and {len(raw)} raw_input_contents"
            raise RequestError(400, said)
        return [from_bytes(tensor, part) for tensor, part in zip(shaped, raw, strict=True)], rows
    columns = []
    for tensor, given in zip(shaped, asked.inputs, strict=True):
        field = _CONTENTS.get(tensor.datatype)
        if field is None:
            raise tensor.refused(f"{tensor.datatype} has to come in raw_input_contents")
        columns.append(from_elements(tensor, list(getattr(given.contents, field))))
    return columns, rows


def _parameters(found: Mapping[str, Any]) -> dict[str, Any]:
    chosen_fields = (
        (name, value, value.WhichOneof("parameter_choice")) for name, value in found.items()
    )
    return {name: getattr(value, field) for name, value, field in chosen_fields if field}


def _add(answer: Any, output: Output, *, as_bytes: bool) -> None:
    tensor = answer.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
    if as_bytes:
        answer.raw_output_contents.append(to_bytes(output.datatype, output.elements))
        return
    text = output.datatype == "BYTES"
    elements = [str(e).encode() for e in output.elements] if text else output.elements
    getattr(tensor.contents, _CONTENTS[output.datatype]).extend(elements)
