"""The server as a process: how it starts, refuses to start, and ends."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import msgspec
import pytest
from running import command, serving

import bundles
from mlops_cli.bundle.reader import open_bundle


def _fails(bundle: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(bundle, *arguments), capture_output=True, text=True, timeout=60, check=False
    )


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return str(s.getsockname()[1])


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
            process.wait(timeout=4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0


def test_a_port_in_use_is_named(binary: bundles.Sample) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = _fails(binary.path, "--port", port)
    assert ended.returncode == 8
    assert f"error: port {port} of 127.0.0.1 is in use" in ended.stderr
    assert "hint: " in ended.stderr
    assert "Traceback" not in ended.stderr


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
