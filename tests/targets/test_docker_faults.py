"""An engine that fails while a container is replaced: what is told is why, and nothing is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError
from docker.models.containers import Container

from engine import docker
from mlops_cli import _docker
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import QUIET
from mlops_cli.serving import contract
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker.container import Spec
from mlops_cli.targets.docker.target import DockerTarget
from mlops_cli.testing.target import get

PROJECT = f"faults-delays-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture
def target(docker_engine: str, project: Path, free_port: int) -> Iterator[DockerTarget]:
    serve = {contract.CONTROL_FILE: contract.CONTROL}
    spec = Spec(PROJECT, "127.0.0.1", free_port, DockerConfig(), serve)
    made = DockerTarget(spec, folder=project / ".mlops/docker")
    yield made
    made.stop()


def containers() -> list[str]:
    return docker("ps", "-a", "--filter", f"name=mlops-{PROJECT}", "--format", "{{.Names}}").split()


@pytest.mark.docker
def test_a_file_that_does_not_reach_the_container_is_told(
    target: DockerTarget, first: Release, second: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    with monkeypatch.context() as engine:
        engine.setattr(Container, "put_archive", lambda *_: False)
        with pytest.raises(EnvironmentFault, match=r"audit\.anchor does not reach"):
            target.keep_anchor("ab" * 32)
        for release in (first, second):  # into the one that is there; into a new one
            with pytest.raises(EnvironmentFault, match="control/secret does not reach"):
                target.deploy(whole(release), progress=QUIET)
    assert containers() == [f"mlops-{PROJECT}"]
    assert get(url)[1]["digest"] == first.digest
    target.keep_anchor("ab" * 32)
    assert target.anchor() == "ab" * 32


@pytest.mark.docker
def test_the_first_reason_is_told_where_neither_the_new_one_goes_nor_the_old_one_comes(
    target: DockerTarget, first: Release, second: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    told: list[str] = []

    class Interrupted:
        """The reason: an interrupt when the new one starts on the port of the old one."""

        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            if message.endswith(".next"):
                monkeypatch.setattr(Container, "remove", refuse)
                monkeypatch.setattr(Container, "start", refuse)
                raise KeyboardInterrupt

        def log(self, message: str) -> None:
            told.append(message)

    def refuse(*_: Any, **__: Any) -> None:
        raise APIError("the engine is out of breath")

    with pytest.raises(KeyboardInterrupt):
        target.deploy(whole(second), progress=Interrupted())
    monkeypatch.undo()
    assert "it does not come back: the engine is out of breath" in told
    target.deploy(whole(first), progress=QUIET)
    assert get(url)[1]["digest"] == first.digest
    assert containers() == [f"mlops-{PROJECT}"]


@pytest.mark.parametrize("address", ["tcp://[bad", "tcp://localhost:99999"])
def test_an_address_of_an_engine_that_is_none_is_told(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with (
        pytest.raises(EnvironmentFault, match="no Docker engine answers at tcp://"),
        _docker.engine("it is not asked"),
    ):
        pass
