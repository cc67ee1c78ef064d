"""A run with nothing to do is known by the files' times; whatever changes makes DVC look again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import projects
from mlops_cli.actions.run import run
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.unchanged import unchanged_run


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, whose first run finds nothing to do, and says so."""
    project = projects.copy(projects.finished("parcels"), tmp_path_factory.mktemp("p") / "parcels")
    run(load_project(project))
    return project


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


Change = Callable[[Path], AbstractContextManager[object]]


@contextmanager
def _times_kept(*paths: Path) -> Iterator[None]:
    before = {path: path.stat() for path in paths}
    yield
    for path, seen in before.items():
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _written(name: str, text: str | None = None) -> Change:
    """Another text, or one more line; then as it was."""

    @contextmanager
    def change(root: Path) -> Iterator[None]:
        before = (root / name).read_bytes()
        with _times_kept(root / name):
            (root / name).write_bytes(before + b"\n" if text is None else text.encode())
            yield
            (root / name).write_bytes(before)

    return change


def _touched(name: str) -> Change:
    @contextmanager
    def change(root: Path) -> Iterator[None]:
        with _times_kept(root / name):
            os.utime(root / name, ns=(1, 1))
            yield

    return change


def _gone(name: str) -> Change:
    @contextmanager
    def change(root: Path) -> Iterator[None]:
        path = root / name
        with _times_kept(path.parent):
            path.rename(root.parent / "gone")
            yield
            (root.parent / "gone").rename(path)

    return change


def _new(name: str) -> Change:
    @contextmanager
    def change(root: Path) -> Iterator[None]:
        with _times_kept((root / name).parent):
            (root / name).touch()
            yield
            (root / name).unlink()

    return change


@pytest.mark.parametrize(
    "change",
    [
        _written("mlops.yaml"),
        _written("contracts/parcels.yaml"),
        _written("dvc.yaml"),
        _touched("dvc.lock"),
        _touched("data/raw/parcels.csv"),
        _written("data/raw/parcels.csv.dvc"),
        _touched("data/features.parquet"),
        _touched("model/model.ubj"),
        _gone("model/model.ubj"),
        _new("model/another"),
        _gone("decision.json"),
        _gone(".dvcignore"),
        _new(".dvc/config.local"),
        _written(".mlops/unchanged.json", "{"),
        _gone("image"),
    ],
)
def test_every_change_makes_dvc_look(done: Path, change: Change) -> None:
    assert unchanged_run(done, []) is not None
    with change(done):
        assert unchanged_run(done, []) is None
    assert unchanged_run(done, []) is not None


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
