"""One worker: it starts only with a proven model, and ends without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.app import App, error_body
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.golden import replay
from mlops_cli.serving.models import load_model
from mlops_cli.serving.sockets import (
    LAST_OWNER,
    bind,
    cannot_listen,
    refuse_new_handshakes,
    waiting,
)

GRACE = 1.0  # seconds in which clients learn, by `connection: close`, that this server leaves
FIRST_REQUEST = 1.0  # seconds for a client that connected last to say what it wants
IN_FLIGHT = 25.0  # seconds for answers under way; below the 30 after which others kill
ONE_STOP = 1.0  # seconds within which two signals are one stop, told by two
HANDSHAKE = 0.05  # seconds for handshakes that had begun
TICK = 0.02
BACKLOG = 2048
SIGNALS = (signal.SIGTERM, signal.SIGINT, LAST_OWNER)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `fd`, an inherited listening socket, wins over `host` and `port`."""

    host: str = "127.0.0.1"
    port: int = 8000
    fd: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What the server tells when it accepts: its URL (no slash at its end), model and digest."""

    url: str
    model: str
    digest: str


def serve(
    path: Path,
    address: Address,
    on_ready: Callable[[Ready], None],
    *,
    digest: str | None = None,
    on_second: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve the bundle in the folder `path` until one of `SIGNALS`.

    A second SIGTERM or SIGINT, later than `ONE_STOP`, ends it at once. `on_ready` is called when
    golden rows were reproduced and the socket accepts, `on_second` every second from then on, as
    long as the loop goes round. Raises `BundleError` for a bundle that is
    changed, has another digest than `digest`, does not fit this environment or does not reproduce
    its golden rows; `EnvironmentFault` where the port cannot be had.
    """
    listener = _listener(address)
    with listener:
        bundle = open_bundle(path)
        if digest is not None and digest != bundle.digest:
            raise BundleError(
                f"{path} holds {bundle.version}, and {short(digest)} was asked for",
                hint="the image is of another model than the deployment",
            )
        model = load_model(bundle, in_child_first=True)
        encoder = RowEncoder(bundle.manifest, bundle.trees())
        replay(bundle, model, encoder)
        app = App(bundle, model, encoder)
        ready = Ready(_url(listener), bundle.manifest.project, bundle.digest)
        server = Server(app, listener, shared=address.fd is not None, on_second=on_second)
        server.on_started = lambda: on_ready(ready)
        # What stands now stays: the collector need not walk it at every turn.
        gc.collect()
        gc.freeze()
        server.run()


class Protocol(HttpToolsProtocol):
    """uvicorn's, which answers what is no HTTP in text; here every error is JSON."""

    def send_400_response(self, msg: str) -> None:
        """Say so and close."""
        body = error_body(msg)
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % header for header in headers)]
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server with another ending, for uvicorn's own resets whoever is in the queue.

    On a signal: `connection: close` on every answer and 503 on /readyz for `GRACE` seconds; then
    no new handshakes, everybody in the queue is accepted, the socket closed; then the answers
    under way. An inherited socket is left alone, for other workers take what is in its queue,
    unless the signal is `LAST_OWNER`: there are no others.
    """

    on_started: Callable[[], None]

    def __init__(
        self,
        app: App,
        listener: socket.socket,
        *,
        shared: bool,
        on_second: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=Protocol,
            loop="auto",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            callback_notify=on_second,
            timeout_notify=0,  # of uvicorn's own ticks, one a second
        )
        super().__init__(config)
        self._answering = app
        self._listener = listener
        self._shared = shared
        self._told = math.inf  # when a user or the machine said so first

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept on a duplicate of the listener, so that the queue outlives uvicorn's closing."""
        del sockets
        try:
            await super().startup([self._listener.dup()])
        except OSError as e:  # somebody else listens since the port was bound
            host, port = self._listener.getsockname()[:2]
            raise cannot_listen(host, port, e) from e
        self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals through the loop; uvicorn would raise them again after a clean end."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._leave, number)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _leave(self, number: signal.Signals) -> None:
        last = number == LAST_OWNER
        now = time.monotonic()
        # systemd signals every process of a unit, and a wrapper or a supervisor passes its own on:
        # in any order, and neither is a user's second.
        self.force_exit |= not last and now > self._told + ONE_STOP
        if not last:
            self._told = min(self._told, now)
        self.should_exit = True
        self._answering.draining = True
        self._shared = self._shared and not last
        if self._shared:
            self._stop_accepting()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as the class says; returns when nothing is left or `IN_FLIGHT` seconds went by."""
        del sockets
        await self._until(self._may_leave, GRACE)
        self._stop_accepting()
        if not self._shared:
            refuse_new_handshakes(self._listener)
            await asyncio.sleep(HANDSHAKE)
            await self._accept_waiting()
        self._listener.close()
        self._close(lambda c: _idle(c) and c.cycle is not None)
        await self._until(self._nobody_left, FIRST_REQUEST)
        self._close(_idle)
        await self._until(self._nobody_left, IN_FLIGHT)
        for connection in self._connections():
            connection.transport.abort()

    def _stop_accepting(self) -> None:
        for server in self.servers:
            server.close()
        self.servers = []

    async def _accept_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        for connection in waiting(self._listener):
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> Protocol:
        return Protocol(self.config, self.server_state, self.lifespan.state)

    def _connections(self) -> list[Protocol]:
        return [c for c in self.server_state.connections if isinstance(c, Protocol)]

    def _close(self, which: Callable[[Protocol], bool]) -> None:
        for connection in self._connections():
            if which(connection):
                connection.transport.close()

    def _may_leave(self) -> bool:
        # A supervisor may hear later than its worker that the machine ends; gone before, the worker
        # could not hear that nobody else takes what is in the socket's queue.
        return self.force_exit or (not self._shared and self._nobody_left())

    def _nobody_left(self) -> bool:
        return self.force_exit or not self.server_state.connections

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            await asyncio.sleep(TICK)


def _idle(connection: Protocol) -> bool:
    """Whether no request is under way, nor has begun to arrive."""
    cycle = connection.cycle
    if cycle is None:
        return connection.scope is None
    return cycle.response_complete and cycle.scope is connection.scope


def _listener(address: Address) -> socket.socket:
    if address.fd is None:
        return bind(address.host, address.port)
    return socket.socket(fileno=address.fd)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
