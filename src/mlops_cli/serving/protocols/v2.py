"""The Open Inference Protocol over HTTP: JSON, with tensors in binary behind it where asked for.

https://github.com/kserve/open-inference-protocol, with the extension of binary tensors.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlops_cli.serving.admission import LARGE, Admission
from mlops_cli.serving.log import PredictionLog
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
from mlops_cli.serving.routes import JSON, SANE_ID, Answer, Header, Request, Route
from mlops_cli.serving.served import Version
from mlops_cli.serving.versions import Versions

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
MAX_NESTED = 1_000_000  # lists and objects of a request: empty ones would fill the memory
_BINARY: Header = (b"content-type", b"application/octet-stream")
_LENGTH = b"inference-header-content-length"
_SIZE = "binary_data_size"
_REFUSED_PARAMETERS = ("classification", "shared_memory_region")
# Half of a surrogate pair: `json` makes of it a text that cannot be written.
_LONE = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", re.DOTALL
)
_encode = msgspec.json.Encoder().encode


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: Any = None


class _Asked(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Infer(msgspec.Struct):
    inputs: list[_Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[_Asked] | None = None


_read = msgspec.json.Decoder(_Infer).decode


class V2:
    """Its handlers, for the versions that are loaded."""

    def __init__(
        self, versions: Versions, admission: Admission, log: PredictionLog | None = None
    ) -> None:
        self._versions = versions
        self._admission = admission
        self._log = log
        self._one_large = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The table. All but the two health checks need a key."""
        pages = {
            "/v2": self._server,
            MODEL: self._model,
            VERSION: self._model,
            f"{MODEL}/ready": self._model_ready,
            f"{VERSION}/ready": self._model_ready,
        }
        health = {"/v2/health/live": self._live, "/v2/health/ready": self._ready}
        return [
            *(
                Route(path, {"POST": self._infer}, "predict", error=error)
                for path in (f"{MODEL}/infer", f"{VERSION}/infer")
            ),
            *(
                Route(path, {"GET": page}, "predict", asks_model=False, error=error)
                for path, page in pages.items()
            ),
            *(
                Route(path, {"GET": page}, asks_model=False, error=error)
                for path, page in health.items()
            ),
        ]

    async def _live(self, _: Request) -> Answer:
        return 200, b'{"live":true}', JSON

    async def _ready(self, _: Request) -> Answer:
        ready = not self._admission.draining
        return 200 if ready else 503, _encode({"ready": ready}), JSON

    async def _server(self, _: Request) -> Answer:
        version = self._versions.default.version
        content = {"name": SERVER, "version": version, "extensions": EXTENSIONS}
        return 200, _encode(content), JSON

    async def _model(self, request: Request) -> Answer:
        served = self._versions.known(**request.parameters)
        manifest = served.bundle.manifest
        content = {
            "name": served.model,
            "versions": self._versions.names(served),
            "platform": manifest.model,
            "inputs": inputs_of(manifest),
            "outputs": outputs_of(manifest),
        }
        return 200, _encode(content), JSON

    async def _model_ready(self, request: Request) -> Answer:
        served = self._versions.known(**request.parameters)
        return 200, _encode({"name": served.model, "ready": True}), JSON

    async def _infer(self, request: Request) -> Answer:
        """Raises `RequestError`; what is no value of its input is 400 here, too."""
        served = request.served = self._versions.known(**request.parameters)
        try:
            if len(request.body) <= LARGE:
                return await self._inferred(request, served)
            async with self._one_large:  # one after another: they hold many times their size
                return await self._inferred(request, served)
        except RequestError as e:
            status = 400 if e.status == 422 else e.status
            raise RequestError(status, e.message, field=e.field, row=e.row) from e

    async def _inferred(self, request: Request, served: Version) -> Answer:
        asked, binary = _request(request)
        if asked.id and SANE_ID.fullmatch(asked.id.encode()):
            request.id = asked.id.encode()
        named = asked.outputs or []
        check_outputs(served.bundle.manifest, [o.name for o in named])
        columns, rows = _columns(asked.inputs, binary)
        found_by = self._versions, self._log, request.parameters.get("version")
        answer = await answered(*found_by, request, columns, rows)
        request.rows, served = rows, answer.version
        found = chosen(answer.said, [o.name for o in named])
        head: dict[str, Any] = {
            "model_name": served.model,
            "model_version": served.version,
            "id": asked.id or request.id.decode("ascii"),
        }
        if answer.versions is not None:
            head["parameters"] = {VERSIONS: ",".join(answer.versions)}
        default = (asked.parameters or {}).get("binary_data_output") is True
        wanted = {o.name: (o.parameters or {}).get("binary_data", default) is True for o in named}
        return _answer(head, found, [wanted.get(o.name, default) for o in found])


def error(message: str, field: str | None, row: int | None) -> bytes:
    """The content of an answer that is an error, in the protocol's form."""
    del field  # the message names it
    return _encode({"error": message if row is None else f"row {row}: {message}"})


def _request(request: Request) -> tuple[_Infer, bytes]:
    """The JSON of a request, and what stands behind it."""
    headers = dict(request.headers)
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestError(415, "a body must not be compressed")
    body, length = request.body, headers.get(_LENGTH)
    if length is None:
        return _decoded(body), b""
    if not length.isdigit() or len(length) > 9 or int(length) > len(body):
        raise RequestError(400, f"{_LENGTH.decode()} is not the length of the body's JSON")
    return _decoded(body[: int(length)]), body[int(length) :]


def _decoded(content: bytes) -> _Infer:
    if content.count(b"[") + content.count(b"{") > MAX_NESTED:
        raise RequestError(413, f"more than {MAX_NESTED} lists and objects: send fewer rows")
    try:
        try:
            return _read(content)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # Triton's client writes NaN and Infinity, which are no JSON
            if _LONE.search(content):
                raise
            return msgspec.convert(json.loads(content), _Infer)
    except (ValueError, RecursionError) as e:  # msgspec's are among them
        said = f"this is not an inference request: {str(e)[:200]}"
        raise RequestError(400, said) from e


def _columns(inputs: Sequence[_Input], binary: bytes) -> tuple[list[Column], int]:
    """The inputs as columns, and the number of their rows."""
    shaped = [Shaped(i.name, i.datatype, i.shape, i.parameters or {}) for i in inputs]
    rows = rows_of(shaped)
    columns, at = [], 0
    for tensor, given in zip(shaped, inputs, strict=True):
        _refuse(tensor.parameters)
        size = tensor.parameters.get(_SIZE)
        if size is None:
            columns.append(from_elements(tensor, given.data))
            continue
        if type(size) is not int or not 0 <= size <= len(binary) - at:
            raise tensor.refused(f"its {_SIZE} is more than the body holds behind the JSON")
        columns.append(from_bytes(tensor, binary[at : at + size]))
        at += size
    if at != len(binary):
        raise RequestError(400, f"{len(binary) - at} bytes behind the JSON belong to no input")
    return columns, rows


def _refuse(parameters: Mapping[str, Any]) -> None:
    for name in _REFUSED_PARAMETERS:
        if name in parameters:
            raise RequestError(400, f"the parameter {name} is not supported")


def _answer(head: dict[str, Any], found: Sequence[Output], binary: Sequence[bool]) -> Answer:
    told, parts = [], []
    for output, as_bytes in zip(found, binary, strict=True):
        tensor: dict[str, Any] = {
            "name": output.name,
            "datatype": output.datatype,
            "shape": output.shape,
        }
        if as_bytes:
            parts.append(to_bytes(output.datatype, output.elements))
            tensor["parameters"] = {_SIZE: len(parts[-1])}
        else:
            tensor["data"] = output.elements
        told.append(tensor)
    content = _encode(head | {"outputs": told})
    if not parts:
        return 200, content, JSON
    length = (_LENGTH, b"%d" % len(content))
    return 200, b"".join([content, *parts]), _BINARY, length
