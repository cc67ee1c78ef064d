"""Bundles and a local target, with real processes on a free port."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from clusters import kubeconfig, kubectl
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
    cluster = kubeconfig()
    monkeypatch.setenv("KUBECONFIG", cluster)
    name = f"mlops-test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false", f"--kubeconfig={cluster}")
