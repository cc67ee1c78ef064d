"""Bundles and a local target, with real processes on a free port."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from clusters import own_namespace
from mlops_cli.targets.local.target import LocalTarget


@pytest.fixture
def free_port() -> int:
    return servers.free_port()


@pytest.fixture
def another_port(free_port: int) -> int:
    return next(p for _ in range(100) if (p := servers.free_port()) != free_port)


@pytest.fixture
def bundles_to_deploy(bundles_to_deploy: Path, tmp_path: Path) -> Path:
    """The bundles in a project's folder, where the registry would put them."""
    return Path(shutil.copytree(bundles_to_deploy, tmp_path / "project/.mlops/bundles"))


@pytest.fixture
def project(bundles_to_deploy: Path) -> Path:
    """The project's folder."""
    return bundles_to_deploy.parents[1]


@pytest.fixture
def target(project: Path, free_port: int) -> Iterator[LocalTarget]:
    local = LocalTarget(project / ".mlops/local", host="127.0.0.1", port=free_port)
    yield local
    local.stop()


@pytest.fixture
def namespace(docker_engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One of its own; skipped where there is no cluster, or no engine that builds the image."""
    with own_namespace(monkeypatch) as name:
        yield name
