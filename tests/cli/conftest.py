"""A small project, made and run once by the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from learning import events
from small import INIT, mlops


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    pq.write_table(events(1000, "binary"), root / "events.parquet")
    assert mlops(root, *INIT).returncode == 0
    config = root / "small/mlops.yaml"
    config.write_text(config.read_text().replace("tune: {}", "tune: {trials: 3, rounds: 20}"))
    return root / "small"


@pytest.fixture(scope="session")
def done(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("done") / "small"
    shutil.copytree(made, root, symlinks=True)
    result = mlops(root, "run")
    assert result.returncode == 0, result.stderr
    return root
