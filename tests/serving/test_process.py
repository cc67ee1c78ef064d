"""The server as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import itertools
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli.bundle.reader import open_bundle
from running import command, serving
from servers import free_port


def _fails(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(bundle, *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def _free_port() -> str:
    return str(free_port())


def test_it_answers_and_ends_at_once_when_nobody_is_there(binary: bundles.Sample) -> None:
    port = _free_port()
    with serving(binary.path, "--port", port) as process:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            state = msgspec.json.decode(answer.read())
        assert state["digest"] == open_bundle(binary.path).digest
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_a_second_signal_ends_it_although_a_client_stays(binary: bundles.Sample) -> None:
    port = _free_port()
    with (
        serving(binary.path, "--port", port) as process,
        socket.create_connection(("127.0.0.1", int(port)), timeout=20) as client,
    ):
        client.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=6)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


_STARTS_SLOWLY = (
    "-c",
    "import sys, time; from mlops_cli.serving import __main__; "
    "__main__.serve = lambda *_, **__: (print('starts', flush=True), time.sleep(60)); "
    "sys.exit(__main__.main())",
)


def test_sigterm_while_it_starts_ends_it_at_once(binary: bundles.Sample) -> None:
    """As the first process of a container it needs a handler: the kernel has no action for it."""
    process = subprocess.Popen(
        command(binary.path, program=_STARTS_SLOWLY), stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starts\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 128 + signal.SIGTERM


def test_a_port_in_use_is_named(binary: bundles.Sample) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _fails(binary.path, "--port", port)
    assert ended.returncode == 8
    assert f"error: port {port} of 127.0.0.1 is in use" in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def port(binary: bundles.Sample) -> Iterator[int]:
    """Of a server that runs."""
    found = _free_port()
    with serving(binary.path, "--port", found):
        yield int(found)


_WITHOUT_THE_COLLECTOR = (
    "-c",
    """
import gc, sys
from mlops_cli.serving.__main__ import main
from mlops_cli.serving.connection import Connection
from mlops_cli.serving.server import Server
look = Server._look
def count(server):
    gc.disable()
    look(server)
    left = sum(isinstance(thing, Connection) for thing in gc.get_objects())
    print("connections:", left, file=sys.stderr, flush=True)
Server._look = count
sys.exit(main())
""",
)


def test_a_connection_that_is_closed_leaves_nothing_to_the_collector(
    binary: bundles.Sample,
) -> None:
    """Each second it tells how many there are, closed ones too; its collector never walks."""
    port, body = free_port(), msgspec.json.encode(binary.events[0])
    post = "POST /v1/predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\r\n"
    whole = f"{post}Content-Length: {len(body)}\r\n\r\n".encode() + body
    asked = (
        b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n",
        whole,
        whole + whole,
        f"{post}Content-Length: 1\r\n\r\n{{".encode(),
        b"no HTTP\r\n\r\n",
    )
    with (
        serving(binary.path, "--port", str(port), program=_WITHOUT_THE_COLLECTOR) as process,
        ExitStack() as clients,
    ):
        for sent in asked:
            where = "127.0.0.1", port
            client = clients.enter_context(socket.create_connection(where, timeout=20))
            client.sendall(sent)
            assert client.recv(65536).startswith(b"HTTP/1.1 ")
        assert process.stderr is not None
        told = (int(line.split()[-1]) for line in process.stderr if b"connections:" in line)
        assert max(itertools.islice(told, 3)) >= len(asked) - 1  # what is no HTTP may be gone
        clients.close()
        assert 0 in itertools.islice(told, 20)


def _say(port: int, sent: str, body: bytes = b"") -> tuple[str, Any]:
    """Head and decoded content of all that the server answers until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(sent.replace("\n", "\r\n").encode() + body)
        head, content = b"".join(iter(lambda: client.recv(65536), b"")).split(b"\r\n\r\n", 1)
    return head.decode(), msgspec.json.decode(content)


@pytest.mark.parametrize(
    "sent",
    ["hello\n\n", "GET / HTTP/9.9\n\n", "POST /v1/predict HTTP/1.1\nContent-Length: -1\n\n"],
)
def test_what_is_no_http_is_told_in_json(port: int, sent: str) -> None:
    head, answer = _say(port, sent)
    assert head.startswith("HTTP/1.1 400 ")
    assert "content-type: application/json\r\n" in head
    assert "connection: close" in head
    assert set(answer["error"]) == {"field", "message", "row"}
    assert "HTTP" in answer["error"]["message"]


@pytest.mark.parametrize("more", ["", "Expect: 100-continue\n"])
def test_a_body_that_says_it_is_far_too_long_is_refused_before_it_comes(
    port: int, more: str
) -> None:
    start = f"POST /v1/predict HTTP/1.1\nHost: x\n{more}"
    head, answer = _say(port, f"{start}Content-Length: 99999999999\n\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert "connection: close" in head
    assert "16 MiB" in answer["error"]["message"]


def test_a_length_with_thousands_of_zeros_before_it_is_one(
    port: int, binary: bundles.Sample
) -> None:
    body = msgspec.json.encode(binary.events[5])
    start = "POST /v1/predict HTTP/1.1\nHost: x\nConnection: close\n"
    head, answer = _say(port, f"{start}Content-Length: {len(body):05000}\n\n", body)
    assert head.startswith("HTTP/1.1 200 ")
    assert len(answer["predictions"]) == 1


def test_a_host_that_is_none_is_named(binary: bundles.Sample) -> None:
    ended = _fails(binary.path, "--host", "no.such.host.invalid", "--port", _free_port())
    assert ended.returncode == 8
    assert "no.such.host.invalid" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["model.ubj", "golden.jsonl", "features.json", "manifest.json"])
def test_one_changed_byte_is_refused(binary: bundles.Sample, tmp_path: Path, name: str) -> None:
    tampered = tmp_path / "tampered"
    shutil.copytree(binary.path, tampered)
    raw = bytearray((tampered / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (tampered / name).write_bytes(raw)
    ended = _fails(tampered, "--port", _free_port())
    assert ended.returncode == 8
    assert "Traceback" not in ended.stderr
    assert name in ended.stderr or name == "manifest.json"


def test_another_bundle_than_the_environment_asks_for_is_refused(
    binary: bundles.Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_DIGEST", "0" * 64)
    ended = _fails(binary.path, "--port", _free_port())
    assert ended.returncode == 8
    assert f"holds {open_bundle(binary.path).version}, and 000000000000 was asked" in ended.stderr
    monkeypatch.setenv("MLOPS_DIGEST", open_bundle(binary.path).digest)
    with serving(binary.path, "--port", _free_port()):
        pass


def test_a_failed_start_is_told_to_the_supervisor(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"failed: .* is not a bundle"), serving(tmp_path):
        pass
