"""Bundles and a local target, with real processes on a free port."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundles
import servers
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.progress import Progress
from mlops_cli.targets.base import Release
from mlops_cli.targets.local.target import LocalTarget


@pytest.fixture
def free_port() -> int:
    return servers.free_port()


@pytest.fixture
def another_port(free_port: int) -> int:
    return next(p for _ in range(100) if (p := servers.free_port()) != free_port)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bundles that work, and one whose golden rows do not reproduce."""
    folder = tmp_path_factory.mktemp("bundles")
    bundles.write(folder / "first")
    bundles.write(folder / "second", n=260)
    shutil.copytree(folder / "first", folder / "broken")
    bundles.spoil(folder / "broken", 3)
    return folder


@pytest.fixture
def project(tmp_path: Path, made: Path) -> Path:
    """A project's folder, with the bundles where the registry would put them."""
    root = tmp_path / "project"
    shutil.copytree(made, root / ".mlops" / "bundles")
    return root


class NoImage:
    """For targets that need none: to ask for it fails the test."""

    name = "delays:none"

    def name_in(self, registry: str) -> str:
        raise AssertionError(registry)

    def build(self, *, progress: Progress) -> str:
        raise AssertionError(progress)

    def push(self, registry: str, *, progress: Progress) -> str:
        raise AssertionError(registry)


def release(folder: Path) -> Release:
    """The bundle in `folder`, for a target that needs no image."""
    return Release(open_bundle(folder), NoImage())


@pytest.fixture
def first(project: Path) -> Release:
    return release(project / ".mlops/bundles/first")


@pytest.fixture
def second(project: Path) -> Release:
    return release(project / ".mlops/bundles/second")


@pytest.fixture
def broken(project: Path) -> Release:
    return release(project / ".mlops/bundles/broken")


@pytest.fixture
def target(project: Path, free_port: int) -> Iterator[LocalTarget]:
    local = LocalTarget(project / ".mlops/local", host="127.0.0.1", port=free_port)
    yield local
    local.stop()
