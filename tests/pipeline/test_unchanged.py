"""A run with nothing to do is known by the files' times; whatever changes makes DVC look again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from learning import events
from mlops_cli.actions.run import run
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.unchanged import unchanged_run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unchanged")
    pq.write_table(events(300, "binary"), root / "events.parquet")
    command = ["init", "small", "--data", "events.parquet", "--target", "target", "--time", "at"]
    mlops = str(Path(sys.executable).parent / "mlops")
    subprocess.run([mlops, *command], cwd=root, check=True, capture_output=True)
    config = root / "small/mlops.yaml"
    config.write_text(config.read_text().replace("tune: {}", "tune: {trials: 1, rounds: 5}"))
    for _ in range(2):  # the second finds nothing to do, and says so
        subprocess.run([mlops, "run"], cwd=root / "small", check=True, capture_output=True)
    return root / "small"


def test_what_dvc_found_unchanged_stays_so(done: Path) -> None:
    known = unchanged_run(done, [])
    assert known is not None
    asked = run(load_project(done))
    assert known.stages == asked.stages
    assert {stage.state for stage in asked.stages} == {"unchanged"}
    only = unchanged_run(done, ["featurize"])
    assert only is not None
    assert [stage.name for stage in only.stages] == ["validate", "featurize"]
    assert unchanged_run(done, ["a-stage-of-mine"]) is None


def _append(name: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        with (root / name).open("a") as file:
            file.write("\n")

    return change


def _touch(name: str) -> Callable[[Path], object]:
    return lambda root: os.utime(root / name, ns=(1, 1))


@pytest.mark.parametrize(
    "change",
    [
        _append("mlops.yaml"),
        _append("contracts/events.yaml"),
        _append("dvc.yaml"),
        _touch("dvc.lock"),
        _touch("data/raw/events.parquet"),
        _append("data/raw/events.parquet.dvc"),
        _touch("data/features.parquet"),
        _touch("model/model.ubj"),
        lambda root: (root / "model/model.ubj").unlink(),
        lambda root: (root / "model/another").touch(),
        lambda root: (root / "decision.json").unlink(),
        lambda root: (root / ".dvcignore").unlink(),
        lambda root: (root / ".dvc/config.local").touch(),
        lambda root: (root / ".mlops/unchanged.json").write_text("{"),
        lambda root: shutil.rmtree(root / "image"),
    ],
)
def test_every_change_makes_dvc_look(
    done: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    project = tmp_path / "small"
    subprocess.run(["mv", str(done), str(project)], check=True)  # a copy has other inodes
    try:
        saved = tmp_path / "saved"
        shutil.copytree(project, saved)
        assert unchanged_run(project, []) is not None
        change(project)
        assert unchanged_run(project, []) is None
    finally:
        shutil.rmtree(project)
        subprocess.run(["mv", str(saved), str(done)], check=True)
        run(load_project(done))


def test_a_value_of_the_environment_or_a_stage_of_the_user_is_for_dvc_to_judge(done: Path) -> None:
    record = done / ".mlops/unchanged.json"
    config, pipeline = done / "mlops.yaml", done / "dvc.yaml"
    for file, more in (
        (config, "tracking: {uri: '${TRACKING}'}\n"),
        (pipeline, "  mine:\n    cmd: 'true'\n    always_changed: true\n"),
    ):
        before = file.read_text()
        record.unlink(missing_ok=True)
        file.write_text(before.replace("tracking: {}\n", "") + more)
        os.environ["TRACKING"] = "sqlite:///mlflow.db"
        run(load_project(done))
        run(load_project(done))
        assert not record.exists()
        file.write_text(before)
