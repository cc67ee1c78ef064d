"""A project that has been run once, moved to another folder: nothing depends on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

import projects


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("parcels"), tmp_path / "moved")
