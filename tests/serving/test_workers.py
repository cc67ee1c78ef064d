"""Several workers on one socket: one dies and nobody notices, and what they count is exact."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import bundles
from mlops_cli._poll import wait_until
from mlops_cli.serving.admission import Admission
from mlops_cli.serving.board import Board
from mlops_cli.serving.metrics import IN_FLIGHT, Metrics
from mlops_cli.serving.settings import Limits
from mlops_cli.serving.sockets import LAST_OWNER
from mlops_cli.targets.local.worker import listen
from running import serving
from servers import free_port

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="tells workers by /proc"
)


class Service:
    """A service of two workers, asked on a connection of its own each time."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], event: bytes) -> None:
        self.port = port
        self.process = process
        self.event = event

    def workers(self) -> list[int]:
        """The process ids of the workers that run, oldest first."""
        main = self.process.pid
        return [int(p) for p in Path(f"/proc/{main}/task/{main}/children").read_text().split()]

    def ask(self, method: str = "POST", path: str = "/v1/predict") -> tuple[int, bytes]:
        """Status and body."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, self.event if method == "POST" else None)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def counted(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        families = text_string_to_metric_families(self.ask("GET", "/metrics")[1].decode())
        samples = (s for family in families for s in family.samples if s.name == name)
        return sum(
            s.value for s in samples if s.name == name and labels.items() <= s.labels.items()
        )


@contextmanager
def two_workers(binary: bundles.Sample, *arguments: str, fds: tuple[int, ...] = ()):
    port = free_port()
    place = arguments or ("--port", str(port))
    with serving(binary.path, *place, fds=fds) as process:
        yield Service(port, process, msgspec.json.encode(binary.events[0]))


@pytest.fixture
def service(binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Two workers, on a port of their own."""
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", "2")
    with two_workers(binary) as service:
        yield service


def test_every_scrape_says_the_sum_also_after_a_worker_was_killed(service: Service) -> None:
    for _ in range(100):
        assert service.ask()[0] == 200
    service.ask("POST", "/none")

    def seen() -> set[float]:
        return {service.counted("mlops_requests_total", code="200") for _ in range(20)}

    assert seen() == {100.0}
    first, second = service.workers()
    os.kill(second, signal.SIGKILL)
    assert wait_until(lambda: len(set(service.workers()) - {second}) == 2, seconds=20, step=0.02)
    assert seen() == {100.0}
    for _ in range(50):
        assert service.ask()[0] == 200
    assert seen() == {150.0}
    assert first in service.workers()
    assert service.counted("mlops_requests_total", code="404", version="none") == 1
    assert service.counted("mlops_request_seconds_count") == 150
    assert service.counted("mlops_predictions_total") == 150


def test_connections_that_stay_are_shared(service: Service) -> None:
    def held() -> list[int]:
        return sorted(
            sum(str(fd.readlink()).startswith("socket:") for fd in Path(f"/proc/{w}/fd").iterdir())
            for w in service.workers()
        )

    before = held()
    with ExitStack() as stack:
        for _ in range(32):
            place = ("127.0.0.1", service.port)
            stack.enter_context(socket.create_connection(place))
        assert wait_until(lambda: sum(held()) == sum(before) + 32, seconds=20)
        fewer, more = (now - was for now, was in zip(held(), before, strict=True))
        assert min(fewer, more) >= 8


def test_who_asks_while_workers_die_is_answered_but_for_those_on_their_connections(
    service: Service,
) -> None:
    stop, answered, broken = threading.Event(), [0], [0]

    def asking() -> None:
        while not stop.is_set():
            try:
                assert service.ask()[0] == 200
                answered[0] += 1
            except (OSError, HTTPException):
                broken[0] += 1

    thread = threading.Thread(target=asking)
    thread.start()
    killed = 0
    try:
        for _ in range(5):
            before = service.workers()
            os.kill(before[0], signal.SIGKILL)
            killed += 1
            assert wait_until(
                lambda gone=before[0]: len(set(service.workers()) - {gone}) == 2,
                seconds=20,
                step=0.02,
            )
    finally:
        stop.set()
        thread.join()
    assert answered[0] > 0
    assert broken[0] <= killed  # one connection at a time: at most the one that it had


def test_a_worker_that_is_told_to_leave_is_replaced_and_the_socket_stays(service: Service) -> None:
    """By hand, or by a memory limit: nothing of the service ends with it."""
    first, _ = service.workers()
    os.kill(first, signal.SIGTERM)
    assert wait_until(
        lambda: first not in service.workers() and len(service.workers()) == 2,
        seconds=20,
        step=0.02,
    )
    for _ in range(20):
        assert service.ask()[0] == 200


def test_it_ends_with_its_workers_and_code_0(service: Service) -> None:
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(timeout=30) == 0
    with pytest.raises(OSError, match="refused"):
        service.ask()


def test_workers_do_not_outlive_the_process_that_keeps_them(service: Service) -> None:
    workers = service.workers()
    service.process.kill()
    service.process.wait(timeout=30)

    def gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    assert wait_until(lambda: all(map(gone, workers)), seconds=20, step=0.05)


@pytest.mark.parametrize("last", [True, False])
def test_an_inherited_socket_is_closed_only_by_its_last_owner(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch, *, last: bool
) -> None:
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", "2")
    with listen("127.0.0.1", free_port()) as listener:
        fd = listener.fileno()
        with two_workers(binary, "--fd", str(fd), fds=(fd,)) as service:
            service.port = listener.getsockname()[1]
            assert service.ask()[0] == 200
            service.process.send_signal(LAST_OWNER if last else signal.SIGTERM)
            assert service.process.wait(timeout=30) == 0
        # Another one takes it over, unless the last owner has left it for good.
        if not last:
            with two_workers(binary, "--fd", str(fd), fds=(fd,)) as service:
                service.port = listener.getsockname()[1]
                assert service.ask()[0] == 200


def test_the_bound_of_requests_in_flight_is_the_whole_service_s() -> None:
    """Either worker may have more than its share, as long as the other has less."""
    board, limits = Board(2), Limits(in_flight=4)
    first, second = (Admission(limits, Metrics(board, place)) for place in range(2))

    async def admitted() -> None:
        assert [first.admit() for _ in range(4)] == [True] * 4
        assert not second.admit()
        first.answered()
        assert second.admit()
        assert not first.admit()
        assert second.metrics.everywhere(IN_FLIGHT) == 4

    asyncio.run(admitted())


def test_a_second_worker_shares_what_the_first_has_loaded(service: Service) -> None:
    for _ in range(50):
        service.ask()
    time.sleep(0.1)

    def private(pid: int) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        found = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
        return found["Private_Clean:"] + found["Private_Dirty:"]

    def whole(pid: int) -> int:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

    for worker in service.workers():
        assert private(worker) < whole(worker) / 2
