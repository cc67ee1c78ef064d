"""A project where nothing ran, one that is to search for ever, and a warm parent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import projects
from forked import ENDLESS, tune
from mlops_cli.pipeline.forkserver import launcher as leader


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project where nothing ran."""
    return projects.copy(projects.started("parcels"), tmp_path / "small")


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A project whose next stage is a search that takes for ever."""
    made = projects.copy(projects.finished("parcels"), tmp_path / "small")
    for former in ("tune", "outcome"):
        shutil.rmtree(made / ".mlops" / former)
    tune(made, ENDLESS)
    return made


@pytest.fixture
def door() -> Iterator[None]:
    with leader.warm_parent():
        yield
