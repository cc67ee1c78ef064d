"""A second port for gRPC, beside HTTP's, in the same loop: the same keys, bounds and counts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import grpc
import grpc.aio

from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.app import App
from mlops_cli.serving.protocols.v2_grpc import SERVICE, V2Grpc
from mlops_cli.serving.refusals import FULL
from mlops_cli.serving.requests import MAX_BODY
from mlops_cli.serving.routes import Request, Routes
from mlops_cli.serving.tls import Tls

_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
}
_Context = Any  # grpc.aio.ServicerContext: grpcio ships no types
_Method = Callable[[bytes, _Context], Awaitable[bytes]]


class GrpcServer:
    """Answers the Open Inference Protocol on a port of its own, until `stop`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._admission = app.admission
        routes = V2Grpc(app.versions, app.admission, app.predictions).routes()
        self._routes = Routes(routes)
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MAX_BODY),
                ("grpc.max_metadata_size", app.admission.limits.header),
                ("grpc.so_reuseport", 1),  # each worker listens, and so does the next deployment
            )
        )
        methods = {
            route.path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(
                self._method(route.path, in_flight=route.asks_model)
            )
            for route in routes
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, methods),)
        )

    async def start(self, host: str, port: int, tls: Tls | None = None) -> None:
        """Listen, by TLS where there is one; raises `EnvironmentFault` where the port is taken."""
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                self._server.add_insecure_port(address)
            else:
                self._server.add_secure_port(address, grpc.ssl_server_credentials([tls.content()]))
        except RuntimeError as e:
            raise EnvironmentFault(
                f"gRPC cannot listen on {address}: {str(e)[:200]}",
                hint="give another serve.grpc.port, or stop what listens there",
            ) from e
        await self._server.start()

    async def stop(self, seconds: float) -> None:
        """Take no more calls, and return when those under way are answered, or after `seconds`."""
        await self._server.stop(seconds)

    def _method(self, path: str, *, in_flight: bool) -> _Method:
        async def call(body: bytes, context: _Context) -> bytes:
            if not in_flight:
                return await self._answer(path, body, context)
            if not self._admission.admit():
                self._admission.count(503, "a request too many")
                await context.abort(grpc.StatusCode.UNAVAILABLE, FULL[1])
            try:
                return await self._answer(path, body, context)
            finally:
                self._admission.answered()

        return call

    async def _answer(self, path: str, body: bytes, context: _Context) -> bytes:
        headers = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in context.invocation_metadata() or ()
        ]
        request = Request(
            "POST", path, headers, body, uuid.uuid4().hex.encode(), time.perf_counter()
        )
        status, content, *_ = await self._app.answer(request, self._routes)
        context.set_trailing_metadata((("x-request-id", request.id.decode("ascii")),))
        if status != HTTPStatus.OK:
            code = _CODES.get(status, grpc.StatusCode.INVALID_ARGUMENT)
            await context.abort(code, content.decode(errors="replace"))
        return content
