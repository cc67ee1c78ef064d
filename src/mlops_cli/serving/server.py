"""One worker: it starts only with a proven model, and ends without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import math
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from mlops_cli._adapters import load_adapter
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.admission import Admission
from mlops_cli.serving.app import App
from mlops_cli.serving.board import Board
from mlops_cli.serving.cache import open_cache
from mlops_cli.serving.connection import Connection
from mlops_cli.serving.contract import FINISH, LEAVE, PORT
from mlops_cli.serving.entrance import BACKLOG, Entrance
from mlops_cli.serving.golden import replay
from mlops_cli.serving.logs import open_logs
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.online.opened import open_served
from mlops_cli.serving.predictor import Predictor, open_predictor
from mlops_cli.serving.rollouts.change import open_board
from mlops_cli.serving.roster import Entry, Roster
from mlops_cli.serving.settings import Settings
from mlops_cli.serving.sockets import (
    LAST_OWNER,
    ONE_STOP,
    bind,
    cannot_listen,
    refuse_new_handshakes,
    waiting,
)
from mlops_cli.serving.tls import Tls
from mlops_cli.serving.tls_connection import TlsConnection
from mlops_cli.serving.trust import digests_of, open_trusted
from mlops_cli.serving.workers import Pool

GRACE = LEAVE  # seconds in which clients learn, by `connection: close`, that this server leaves
FIRST_REQUEST = 1.0  # seconds for a client that connected last to say what it wants
HANDSHAKE = 0.05  # seconds for handshakes that had begun
TICK = 0.02
# Walks of the collector through younger objects for one through all: of 900 connections that takes
# 8 ms, in which nobody is answered, and a connection that closes leaves nothing to it.
SELDOM = 1000
SIGNALS = (signal.SIGTERM, signal.SIGINT, LAST_OWNER)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `fd`, an inherited listening socket, wins over `host` and `port`."""

    host: str = "127.0.0.1"
    port: int = PORT
    fd: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """What the server tells when it accepts: its URL (no slash at its end), model and digest."""

    url: str
    model: str
    digest: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Who hears of a server: `ready` when golden rows were reproduced and the socket accepts,
    `second` every second from then on, as long as the loop goes round."""

    ready: Callable[[Ready], None]
    second: Callable[[], None] = lambda: None


def serve(
    path: Path,
    address: Address,
    heard: Heard,
    *,
    digest: str | None = None,
    settings: Settings = Settings(),  # noqa: B008  # frozen
) -> None:
    """Serve the bundle in the folder `path` until one of `SIGNALS`.

    A second SIGTERM or SIGINT, later than `ONE_STOP`, ends it at once. Raises `BundleError` for a
    bundle that is changed, is not signed as `settings.trust` wants it, has another digest than
    `digest`, does not fit this environment or does not reproduce its golden rows;
    `EnvironmentFault` where the port cannot be had; `UsageError` where `settings.tls` names no
    pair, or `settings.trust` no keys.
    """
    pair = settings.tls
    tls = Tls(Path(pair.cert), Path(pair.key)) if pair.cert and pair.key else None
    listener = _listener(address)
    with listener:
        bundle, predictor = proven(path, digest, settings.trust)
        scheme = "https" if tls else "http"
        ready = Ready(_url(listener, scheme), bundle.manifest.project, bundle.digest)
        _check_stores(bundle, settings)
        changes = settings.keys or settings.control  # whether anybody may load versions
        roster = Roster(Entry(str(path.resolve()), bundle.digest)) if changes else None
        board, inherited = Board(settings.workers), address.fd is not None
        rollouts = open_board(settings) if settings.rollout else None
        # What stands now stays: the collector need not walk it at every turn, and workers share it.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], SELDOM)
        alone = settings.workers == 1

        def work(place: int, on_ready: Callable[[], None], on_second: Callable[[], None]) -> None:
            admission = Admission(settings.limits, Metrics(board, place))
            admission.raise_file_limit()
            logs = open_logs(settings.log, admission.metrics.logged)
            app = App(bundle, predictor, admission, settings, roster, logs, rollouts, place)
            server = Server(
                app,
                listener,
                on_ready,
                on_second,
                shared=inherited or not alone,
                grpc_port=settings.grpc.port,
                tls=tls,
            )
            server.run()
            app.tracing.close()
            if logs is not None:
                logs.close()

        if alone:
            work(0, lambda: heard.ready(ready), heard.second)
            return
        listener.listen(BACKLOG)
        pool = Pool(settings.workers, work, listener, shared=inherited)
        pool.run(lambda: heard.ready(ready), heard.second)


def _check_stores(bundle: Bundle, settings: Settings) -> None:
    """What is wrong with their addresses is told before anything forks."""
    open_cache(settings.cache)
    if bundle.online() is not None:
        open_served(settings.online, bundle.manifest.project)


def proven(
    path: Path, digest: str | None = None, trust: str | None = None
) -> tuple[Bundle, Predictor]:
    """The bundle in a folder and its predictor, golden rows reproduced; see `serve`."""
    bundle = open_trusted(path, trust)
    if digest is not None and bundle.digest not in digests_of(digest):
        wanted = " or ".join(map(short, digests_of(digest)))
        raise BundleError(
            f"{path} holds {bundle.version}, and {wanted} was asked for",
            hint="the image is of another model than the deployment",
        )
    predictor = open_predictor(bundle, in_child_first=True)
    replay(bundle, predictor)
    return bundle, predictor


class Server(uvicorn.Server):
    """uvicorn's server with another ending, for uvicorn's own resets whoever is in the queue.

    On a signal: `connection: close` on every answer and 503 on /readyz for `GRACE` seconds; then
    no new handshakes, everybody in the queue is accepted, the socket closed; then the answers
    under way. An inherited socket is left alone, for other workers take what is in its queue,
    unless the signal is `LAST_OWNER`: there are no others.
    """

    def __init__(
        self,
        app: App,
        listener: socket.socket,
        on_ready: Callable[[], None],
        on_second: Callable[[], None],
        *,
        shared: bool,
        grpc_port: int | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._connection = functools.partial(
            TlsConnection if tls else Connection,
            admission=app.admission,
            one_events=app.one_events,
        )
        config = uvicorn.Config(
            app,
            http=self._connection,  # type: ignore[arg-type]  # a class or what makes one alike
            loop="auto",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        super().__init__(config)
        self._app = app
        self._admission = app.admission
        self._on_ready = on_ready
        self._on_second = on_second
        self._listener = listener
        self._entrance = Entrance(
            listener, self._connect, app.admission, handshakes=tls is not None
        )
        self._shared = shared
        self._tls = tls
        self._grpc_port = grpc_port
        self._grpc: Any = None  # of an extra, which is imported where there is a port alone
        self._following: asyncio.Future[None] | None = None
        self._told = math.inf  # when a user or the machine said so first

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept through `Entrance`; uvicorn has no socket of its own."""
        del sockets
        if self._grpc_port is not None:
            grpc = load_adapter("mlops_cli.serving.grpc_server", extra="grpc")
            self._grpc = grpc.GrpcServer(self._app)
            host = self._listener.getsockname()[0]
            await self._grpc.start(host, self._grpc_port, self._tls)
        await self._app.begin()
        await super().startup([])
        try:
            self._entrance.open()
        except OSError as e:  # somebody else listens since the port was bound
            host, port = self._listener.getsockname()[:2]
            raise cannot_listen(host, port, e) from e
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """uvicorn's tenth of a second; once a second, look at who keeps others waiting."""
        if self._following is None or self._following.done():
            self._following = asyncio.ensure_future(self._app.follow())
        if counter % 10 == 0:
            self._look()
        return await super().on_tick(counter)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._connections():
            connection.look(now)
        self._admission.tell(now)
        self._app.look()
        if self._tls is not None:
            self._tls.look()
        self._on_second()

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
        self._admission.draining = True
        self._shared = self._shared and not last
        if self._shared:
            self._stop_accepting()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as the class says; returns when nothing is left or `FINISH` seconds went by."""
        del sockets
        await self._until(self._may_leave, GRACE)
        self._stop_accepting()
        calls = asyncio.create_task(self._stop_grpc())
        if not self._shared:
            refuse_new_handshakes(self._listener)
            await asyncio.sleep(HANDSHAKE)
            for client in waiting(self._listener):
                self._entrance.take(client)
        self._listener.close()
        self._close(lambda c: c.idle() and c.has_asked())
        await self._until(self._nobody_left, FIRST_REQUEST)
        self._entrance.give_up()
        self._close(Connection.idle)
        await self._until(self._nobody_left, FINISH)
        await calls
        for connection in self._connections():
            connection.transport.abort()
        self._app.end()

    async def _stop_grpc(self) -> None:
        if self._grpc is not None:
            await self._grpc.stop(0 if self.force_exit else FINISH)

    def _stop_accepting(self) -> None:
        self._entrance.close()

    async def _connect(self, connection: socket.socket) -> object:
        connect = asyncio.get_running_loop().connect_accepted_socket
        if self._tls is None:
            return await connect(self._protocol, connection)
        limit = self._admission.limits.timeout
        return await connect(
            self._protocol,
            connection,
            ssl=self._tls.context,
            ssl_handshake_timeout=limit,
            ssl_shutdown_timeout=limit,
        )

    def _protocol(self) -> Connection:
        return self._connection(self.config, self.server_state, self.lifespan.state)

    def _connections(self) -> list[Connection]:
        return [c for c in self.server_state.connections if isinstance(c, Connection)]

    def _close(self, which: Callable[[Connection], bool]) -> None:
        for connection in self._connections():
            if which(connection):
                connection.shutdown()

    def _may_leave(self) -> bool:
        # A supervisor may hear later than its worker that the machine ends; gone before, the worker
        # could not hear that nobody else takes what is in the socket's queue.
        return self.force_exit or (not self._shared and self._nobody_left())

    def _nobody_left(self) -> bool:
        nobody = not self.server_state.connections and not self._entrance.busy
        return self.force_exit or nobody

    async def _until(self, done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            await asyncio.sleep(TICK)


def _listener(address: Address) -> socket.socket:
    if address.fd is None:
        return bind(address.host, address.port)
    return socket.socket(fileno=address.fd)


def _url(listener: socket.socket, scheme: str) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
