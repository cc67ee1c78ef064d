"""Who is let in when more wait than can be answered in time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from mlops_cli.serving.admission import Admission
from mlops_cli.serving.entrance import A_TURN, Entrance
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.settings import Limits

Knock = Callable[[], socket.socket]


@pytest.fixture
def door() -> Iterator[tuple[socket.socket, Knock]]:
    """A socket that listens, and what knocks at it."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=200))
        where = listener.getsockname()
        yield listener, lambda: stack.enter_context(socket.create_connection(where))


def let_in(listener: socket.socket, most: int | None = None) -> tuple[list[int], Admission]:
    """The ports of the clients in the order in which they are let in, `most` or all."""
    admission = Admission(Limits(connections=1000), Metrics())
    ports: list[int] = []

    async def run() -> None:
        done = asyncio.Event()

        async def connect(client: socket.socket) -> None:
            with client:
                ports.append(client.getpeername()[1])
            if len(ports) == most:
                done.set()

        entrance = Entrance(listener, connect, admission)
        entrance.open()
        await asyncio.wait_for(done.wait(), 30)
        entrance.close()

    asyncio.run(run())
    return ports, admission


def test_the_oldest_and_the_newest_are_let_in_by_turns(door: tuple[socket.socket, Knock]) -> None:
    listener, knock = door
    clients = [knock().getsockname()[1] for _ in range(100)]
    found, _ = let_in(listener, 100)
    assert found[:4] == [clients[0], clients[-1], clients[1], clients[-2]]
    assert sorted(found) == sorted(clients), "each once"


def test_few_are_let_in_as_they_came(door: tuple[socket.socket, Knock]) -> None:
    listener, knock = door
    first, second = (knock().getsockname()[1] for _ in range(2))
    assert let_in(listener, 2)[0] == [first, second]


def test_who_has_given_up_is_not_let_in(door: tuple[socket.socket, Knock]) -> None:
    listener, knock = door
    for _ in range(100):
        gone = knock()
        gone.sendall(b"POST /v1/predict HTTP/1.1\r\n")
        gone.close()
    patient = [knock().getsockname()[1] for _ in range(A_TURN)]
    found, admission = let_in(listener, A_TURN)
    assert sorted(found) == sorted(patient)
    counted = admission.metrics.exposition([]).decode()
    assert int(re.findall(r'requests_total\{code="499",.*\} (\d+)', counted)[0]) > 100 - A_TURN


def test_without_a_file_for_one_it_goes_on_later(
    door: tuple[socket.socket, Knock], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, knock = door
    port = knock().getsockname()[1]
    tried = []

    class Full(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            tried.append(1)
            if len(tried) == 1:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    monkeypatch.setattr("mlops_cli.serving.entrance.PAUSE", 0.01)
    with Full(fileno=listener.detach()) as full:
        assert let_in(full, 1)[0] == [port]
    assert len(tried) >= 2
