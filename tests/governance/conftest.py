from __future__ import annotations

from pathlib import Path

import pytest

from approving import be, commit
from audit_logs import git
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from projects import with_database


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose rules are committed; its author acts."""
    be(monkeypatch, "author@x.org")
    git(tmp_path, "init", "-q", "-b", "main")
    commit(with_database(tmp_path))
    return load_project(tmp_path)
