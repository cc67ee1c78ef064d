"""No engine, and an engine that is not ours to use: told apart, each with its way out."""

from __future__ import annotations

import gc
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_cli import _docker
from mlops_cli.errors import EnvironmentFault

# The SDK leaves a socket that it could not connect to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@contextmanager
def nobody() -> Iterator[None]:
    """Not root, whom no mode of a file keeps out."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_socket_that_is_not_ours_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        Path(folder).chmod(0o755)
        listening.bind(f"{folder}/docker.sock")
        listening.listen()
        Path(f"{folder}/docker.sock").chmod(0)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/docker.sock")
        monkeypatch.setenv("DOCKER_CONFIG", folder)
        with (
            nobody(),
            pytest.raises(EnvironmentFault, match="may not use") as refused,
            _docker.engine("x"),
        ):
            pass
    assert "usermod" in (refused.value.hint or "")


@pytest.mark.parametrize("where", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_no_engine_answers(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(EnvironmentFault, match="no Docker engine") as refused, _docker.engine("x"):
        pass
    assert where in refused.value.message
    assert "DOCKER_HOST" in (refused.value.hint or "")


def test_an_engine_elsewhere_is_reached_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert _docker.published_on() == ("127.0.0.1", "127.0.0.1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://docker:2375")
    assert _docker.published_on() == ("0.0.0.0", "docker")
