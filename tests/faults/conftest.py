"""The real command line, and a project that has been run once."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from bad_tables import as_csv, columns
from mlops_cli.cli.main import main
from said import Done, Mlops, mlops_process


@pytest.fixture
def mlops(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Mlops:
    """A command as a person types it, in this process: cheap where it ends early."""

    def run(folder: Path, *arguments: object) -> Done:
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["mlops", *map(str, arguments)])
        monkeypatch.setenv("MLOPS_RUN", "")  # what a run sets is taken back afterwards
        monkeypatch.delenv("MLOPS_RUN")
        code = 0
        try:
            main()
        except SystemExit as e:
            code = int(e.code or 0)
        finally:
            os.environ.pop("MLOPS_RUN", None)
        out, err = capfd.readouterr()
        return Done(code, f"{err}\n{out}")

    return run


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been run once, whole."""
    folder = tmp_path_factory.mktemp("ready")
    (folder / "table.csv").write_text(as_csv(columns()))
    made = mlops_process(folder, "init", "p", "--data", "table.csv", "--target", "y")
    assert made.code == 0, made.said
    config = folder / "p/mlops.yaml"
    config.write_text(config.read_text().replace("tune: {}", "tune: {trials: 2, rounds: 5}"))
    ran = mlops_process(folder / "p", "run")
    assert ran.code == 0, ran.said
    return folder / "p"


@pytest.fixture
def project(ready: Path, tmp_path: Path) -> Path:
    """A copy of it that nothing of the copy's history shines through."""
    copy = Path(shutil.copytree(ready, tmp_path / "p", symlinks=True))
    table = copy / "data/raw/table.csv"
    content = table.read_bytes()
    table.unlink()  # it may be a link into DVC's cache
    table.write_bytes(content)
    return copy
