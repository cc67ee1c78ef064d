"""A project that has been run once, to be disturbed; a table; a port without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

import projects
from bad_tables import as_csv, columns
from servers import free_port


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("p"), tmp_path / "p")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(as_csv(columns()))
    return path


@pytest.fixture
def nobody_there() -> int:
    return free_port()
