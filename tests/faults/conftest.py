"""A project that has been run once, to be disturbed."""

from __future__ import annotations

from pathlib import Path

import pytest

import projects


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("p"), tmp_path / "p")
