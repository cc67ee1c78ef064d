"""The warm parent: imports what stages need, and forks a child for each that knocks.

It holds no state but modules, and no threads but those of BLAS libraries and of jemalloc, which
know how to be forked. While it waits, for a knock or for a child's end, it imports what is needed
next. Ctrl-C, which it blocks, stays pending here: DVC ignores it while a command works, and a
stage may have ended, or not begun, when it comes. Then no further stage is begun.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from mlops_cli.pipeline.forkserver.protocol import (
    DO_IT_YOURSELF,
    INTERRUPTED,
    same_user,
    unpack,
)
from mlops_cli.stages import PIPELINE, Stage, load_stage

# Rooms that load adapters by name: the usual ones follow a stage's module that uses the room.
_PORTS = ("mlops_cli.tables", "mlops_cli.training", "mlops_cli.tuning", "mlops_cli.tracking",
    "mlops_cli.governance.gates", "mlops_cli.serving.models")  # fmt: skip
# What takes long to import, piece by piece: whoever knocks waits for the piece at hand.
_LARGE = {"tune": ("scipy.stats", "sklearn.metrics", "optuna", "sqlalchemy.orm", "alembic.context")}
_PR_SET_PDEATHSIG = 1
_JEMALLOC = "jemalloc_bg_thd"  # pyarrow brings it


@dataclass(frozen=True, slots=True)
class _Request:
    umask: int
    folder: bytes
    arguments: list[str]
    environment: dict[bytes, bytes]
    descriptors: list[int]


def forked_child(listener: int, leader: int) -> list[str]:
    """Serve until the leader ends; returns in each child, with the arguments of its stage.

    `listener` is the descriptor of the socket where clients knock, `leader` the process that
    this one ends with.
    """
    _end_with(leader)
    coming = _imports(PIPELINE)
    with socket.socket(fileno=listener) as door:
        knock = select.poll()
        knock.register(door, select.POLLIN)
        while True:
            _import_until(knock, coming)
            connection, _ = door.accept()
            with connection:
                if not same_user(connection) or (request := _receive(connection)) is None:
                    continue
                if signal.SIGINT in signal.sigpending():
                    with suppress(OSError):
                        connection.send(INTERRUPTED)
                    continue
                coming = _preload(request.arguments[:1])
                child = _fork() if _may_fork() else None
                if child == 0:
                    door.close()
                    _become(request)
                    return request.arguments
                if child is None:
                    with suppress(OSError):
                        connection.send(DO_IT_YOURSELF)
                else:
                    _watch(connection, child, coming)
                for descriptor in request.descriptors:
                    os.close(descriptor)


def _end_with(process: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != process:  # it ended before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def _receive(connection: socket.socket) -> _Request | None:
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
    parts = unpack(connection)
    if parts is None or len(descriptors) != 3:
        return None
    umask, folder, count = parts[:3]
    environment = 3 + int(count)
    return _Request(
        umask=int(umask),
        folder=folder,
        arguments=[os.fsdecode(part) for part in parts[3:environment]],
        environment=dict(part.split(b"=", 1) for part in parts[environment:]),
        descriptors=list(descriptors),
    )


def _preload(named: Sequence[str]) -> Iterator[bool]:
    """Import what the named stage needs; the steps that import what the stages after it need."""
    order = [s.name for s in PIPELINE]
    at = order.index(named[0]) if named and named[0] in order else len(order)
    for _ in _imports(PIPELINE[at : at + 1]):
        pass
    return _imports(PIPELINE[at + 1 :])


def _imports(stages: Iterable[Stage]) -> Iterator[bool]:
    """Import the stages' modules, and the adapters that these will load by name, step by step."""
    for entry in stages:
        for library in _LARGE.get(entry.name, ()):
            _load(import_module, library)
            yield True
        _load(load_stage, entry.name)
        yield True
        for port in _PORTS:
            if port in sys.modules:
                _load(sys.modules[port].preload)
                yield True


def _import_until(events: select.poll, coming: Iterator[bool]) -> list[tuple[int, int]]:
    """Wait for one of the events; import meanwhile what comes, step by step."""
    more = True
    while not (ready := events.poll(0 if more else None)):
        more = next(coming, False)
    return ready


def _load(load: Callable[..., object], *arguments: str) -> None:
    with suppress(Exception):  # the stage loads it again, and tells what is wrong
        load(*arguments)


def _may_fork() -> bool:
    """Whether every thread but this one belongs to a pool that knows how to be forked."""
    names = [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    return len(names) - names.count(_JEMALLOC) <= 1 + _blas_threads()


def _blas_threads() -> int:
    if "threadpoolctl" not in sys.modules:
        return 0
    pools = sys.modules["threadpoolctl"].threadpool_info()
    return sum(pool["num_threads"] - 1 for pool in pools if pool["user_api"] == "blas")


def _fork() -> int | None:
    """As `os.fork`; None where no process or no memory is left for a child."""
    gc.freeze()  # the collector must not touch, and so copy, what parent and child share
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError:
        return None
    if child == 0:
        os.setpgid(0, 0)
        _end_with(parent)
    else:
        with suppress(OSError):  # whichever of the two comes first
            os.setpgid(child, child)
    return child


def _become(request: _Request) -> None:
    """Take everything from the client that a new process would have taken."""
    for descriptor, number in zip(request.descriptors, range(3), strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request.folder)
    os.umask(request.umask)
    os.environb.clear()
    os.environb.update(request.environment)
    sys.argv[1:] = ["stage", *request.arguments]
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]  # ours
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # its own group is not the terminal's
    # DVC ignores Ctrl-C while a command works, and the parent was started then.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _watch(connection: socket.socket, child: int, coming: Iterator[bool]) -> None:
    """Until the child ends: import what comes next, and end the child if its client is gone."""
    handle = os.pidfd_open(child)
    with suppress(OSError):
        socket.send_fds(connection, [b"y"], [handle])
    events = select.poll()
    events.register(handle, select.POLLIN)
    events.register(connection, select.POLLHUP | select.POLLRDHUP)
    if any(descriptor != handle for descriptor, _ in _import_until(events, coming)):
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    os.close(handle)
    _, status = os.waitpid(child, 0)
    with suppress(OSError):
        connection.sendall(status.to_bytes(4, "big"))
