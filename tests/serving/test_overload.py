"""More clients than there is room for: some are told to come again, and the others answered."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import Any

import psutil
import pytest

import bundles
from limited import HEAD, Server, heard, limited, send, told
from running import serving
from servers import free_port


def test_more_connections_than_files_shut_nobody_out(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(binary, monkeypatch, files=256, timeout="5s") as server:
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                client = stack.enter_context(server.connect())
                client.sendall(b"POST /v1/predict HTTP/1.1\r\n")
            for _ in range(20):
                assert server.healthy() < 5
                assert told(server.say(server.predicts()))[0] == 200
            assert server.metric("mlops_connections") <= 128
            assert server.metric("mlops_requests_total", 503) > 200
        time.sleep(1.2)  # the log is written once a second
        server.process.terminate()
        assert server.process.wait(timeout=40) == 0
        assert server.process.stderr is not None
        lines = server.process.stderr.read().decode().splitlines()
    assert "256 files may be open: at most 128 connections, not 1000" in "\n".join(lines)
    assert len([line for line in lines if "closed for others" in line]) == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ refused: ", lines[-1])
    assert len(lines) < 5


def test_the_soft_limit_of_files_is_raised(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)[1]
    if hard < 1200:
        pytest.skip(f"the hard limit of files is {hard}")
    monkeypatch.setenv("MLOPS_SERVE_LIMITS__CONNECTIONS", "1000")
    low = "import sys, resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, {})); "
    main = "from mlops_cli.serving import __main__; sys.exit(__main__.main())"
    port = free_port()
    with serving(
        binary.path, "--port", str(port), program=("-c", low.format(hard) + main)
    ) as process:
        assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)[0] >= 1100


def test_an_idle_connection_makes_room_and_one_that_asks_keeps_its_own(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(binary, monkeypatch, connections="8") as server, contextlib.ExitStack() as stack:
        asked = server.predicts().replace(b"Connection: close\r\n", b"")
        idle = [stack.enter_context(server.connect()) for _ in range(8)]
        for client in idle:
            client.sendall(asked)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(1.2)
        assert told(server.say(server.predicts()))[0] == 200


def _flood(server: Server, seconds: float, found: list[tuple[int, dict[str, str]]]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status, headers, _ = told(server.say(server.predicts()))
        found.append((status, headers))


def test_beyond_the_requests_in_flight_it_says_when_to_come_again(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are whole on 60 connections before the server, stopped for that, reads any."""
    with limited(binary, monkeypatch, in_flight="10") as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(60)]
        server.healthy()  # all are accepted
        process = psutil.Process(server.process.pid)
        process.suspend()
        for client in clients:
            client.sendall(server.predicts())
        process.resume()
        answers = [told(heard(client)) for client in clients]
        statuses = [status for status, _, _ in answers]
        assert set(statuses) == {200, 503}
        assert statuses.count(200) >= 10
        for status, headers, content in answers:
            if status == 503:
                assert headers["retry-after"] in ("1", "2", "3")
                assert "ask again" in content["error"]["message"]
        assert server.metric("mlops_requests_total", 503) == statuses.count(503)
        assert server.metric("mlops_requests_in_flight") == 0
        assert server.healthy() < 5


def test_clients_that_are_refused_together_are_not_told_to_come_back_together(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their connections have asked before, stay open, and are answered when they ask again."""
    with limited(binary, monkeypatch, in_flight="10") as server, contextlib.ExitStack() as stack:
        asked = server.predicts().replace(b"Connection: close\r\n", b"")
        clients = [stack.enter_context(server.connect()) for _ in range(60)]

        def ask_together() -> list[tuple[int, dict[str, str], Any]]:
            process.suspend()
            for client in clients:
                client.sendall(asked)
            process.resume()
            return [told(client.recv(65536)) for client in clients]

        process = psutil.Process(server.process.pid)
        for client in clients:  # so that their heads are known
            client.sendall(asked)
            assert told(client.recv(65536))[0] == 200
        answers = ask_together()
        refused = [(headers, content) for status, headers, content in answers if status == 503]
        assert len(refused) >= 8
        assert len({headers["x-request-id"] for headers, _ in refused}) == len(refused)
        assert len({headers["retry-after"] for headers, _ in refused}) > 1
        assert all("ask again" in content["error"]["message"] for _, content in refused)
        assert server.metric("mlops_requests_total", 503) == len(refused)
        for client in clients:
            client.sendall(asked)
            assert told(client.recv(65536))[0] == 200
        assert server.metric("mlops_requests_in_flight") == 0


def test_no_work_is_done_for_clients_that_have_left(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(binary, monkeypatch, in_flight="300") as server:
        clients = [server.connect() for _ in range(200)]
        server.healthy()
        process = psutil.Process(server.process.pid)
        process.suspend()
        for client in clients:
            client.sendall(server.predicts())
            client.close()
        process.resume()
        assert told(server.say(server.predicts()))[0] == 200
        assert server.metric("mlops_predictions_total") < 50
        assert server.metric("mlops_requests_total", 499) > 150
        assert server.metric("mlops_requests_in_flight") == 0


def test_a_client_that_does_not_take_its_answer_is_left(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    with limited(binary, monkeypatch, timeout="1s") as server, server.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = b"[" + b",".join([b'{"origin":"JFK","distance":1}'] * 100_000) + b"]"
        asked = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        sender = threading.Thread(target=send, args=(client, asked, 4))
        sender.start()
        end = time.monotonic() + 60
        while server.metric("mlops_requests_total", 200) < 1 or (
            server.metric("mlops_connections") > 1
        ):
            assert time.monotonic() < end, "its answer is kept for ever"
            time.sleep(0.2)
        sender.join()
