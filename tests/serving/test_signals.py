"""Two signals to one server: one stop, and everybody who asked is answered."""

from __future__ import annotations

import signal
import socket
import time

import msgspec
import pytest

import bundles
from mlops_cli.serving.sockets import LAST_OWNER
from running import serving
from servers import free_port


@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM, LAST_OWNER), (LAST_OWNER, signal.SIGTERM)], ids=["late", "early"]
)
def test_who_hears_from_two_that_it_should_leave_still_answers(
    binary: bundles.Sample, numbers: tuple[signal.Signals, ...]
) -> None:
    """As where the machine's end tells the server, too, and not its supervisor alone."""
    body = msgspec.json.encode(binary.events[5])
    with socket.create_server(("127.0.0.1", 0)) as shared:
        address, fd = shared.getsockname(), shared.fileno()
        with (
            serving(binary.path, "--fd", str(fd), fds=(fd,)) as process,
            socket.create_connection(address, timeout=20) as slow,
        ):
            shared.close()
            head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode() + body[:10])
            for number in numbers:
                time.sleep(0.2)
                process.send_signal(number)
            time.sleep(2)
            slow.sendall(body[10:])
            answer = b"".join(iter(lambda: slow.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK")
            assert process.wait(timeout=20) == 0


def test_one_stop_told_by_two_signals_is_no_second_one(binary: bundles.Sample) -> None:
    """As where systemd signals every process of a unit, and a wrapper passes its own on."""
    body = msgspec.json.encode(binary.events[5])
    port = free_port()
    with (
        serving(binary.path, "--port", str(port)) as process,
        socket.create_connection(("127.0.0.1", port), timeout=20) as slow,
    ):
        head = f"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode())
        # Another number, for the kernel joins two that are alike; both wait when it goes on.
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            process.send_signal(number)
        time.sleep(2)
        slow.sendall(body)
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert process.wait(timeout=20) == 0
