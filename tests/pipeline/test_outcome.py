"""A run reads what its own stages left, whoever else works or worked in the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.pipeline.outcome import Outcome, own_outcomes, read_outcome, write_outcome

CONFIG = "project: x\ntask: binary\ndata: {table: t.csv, target: y}\nfeatures: {columns: [a]}\n"
STAGE = """
from pathlib import Path
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.outcome import Outcome, write_outcome
write_outcome(load_project(Path.cwd()), "train", Outcome(2.0))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    return load_project(tmp_path)


def test_what_a_process_that_the_run_starts_leaves_is_read(project: Project) -> None:
    with own_outcomes():
        subprocess.run([sys.executable, "-c", STAGE], cwd=project.root, check=True)
        left = read_outcome(project, "train")
    assert left is not None
    assert left.seconds == 2.0


def test_what_an_earlier_run_left_is_not_of_this_one(project: Project) -> None:
    with own_outcomes():
        write_outcome(project, "train", Outcome(1.0))
    with own_outcomes():
        assert read_outcome(project, "train") is None


def test_a_second_run_that_is_refused_takes_nothing_from_the_first(tmp_path: Path) -> None:
    """Started where another works: no DVC repository refuses it as DVC's locks would."""
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    (tmp_path / "t.csv").write_text("a,y\n" + "1,0\n2,1\n" * 20)
    project = load_project(tmp_path)
    with own_outcomes():
        write_outcome(project, "train", Outcome(1.0))
        second = subprocess.run(
            [sys.executable, "-m", "mlops_cli", "run"],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert second.returncode == 2
        assert "is not a DVC repository" in second.stderr
        left = read_outcome(project, "train")
    assert left is not None
    assert left.seconds == 1.0
