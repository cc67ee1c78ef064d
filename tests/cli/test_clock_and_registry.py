"""What a cached stage cannot know: the wall clock, and a registry that was lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from small import mlops, registered


@pytest.fixture
def project(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "small", symlinks=True))


def test_freshness_by_the_wall_clock(project: Path) -> None:
    contract = project / "contracts/events.yaml"
    contract.write_text(contract.read_text() + "freshness: {column: at, max_age: 2d}\n")
    before = (project / "reports/validate.json").stat().st_mtime_ns
    now = mlops(project, "validate", "--now")
    assert now.returncode == 3, now.stderr
    assert "column 'at'" in now.stderr
    assert "rejected" not in now.stderr  # it has written nothing
    contract.write_text(contract.read_text().replace("max_age: 2d", "max_age: 99999d"))
    now = mlops(project, "validate", "--now")
    assert now.returncode == 0, now.stderr
    assert "data/raw/events.parquet: 1000 rows" in now.stdout
    assert (project / "reports/validate.json").stat().st_mtime_ns == before


def test_a_lost_registry_is_begun_anew_when_somebody_says_so(project: Path) -> None:
    (project / "mlflow.db").unlink()
    assert mlops(project, "register").returncode == 8
    ran = mlops(project, "run", "--first")
    assert ran.returncode == 0, ran.stderr
    assert len(registered(project)) == 1
