from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_cli.bundle.manifest import Feature, Input, Target
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.tracking.base import RunRecord, Tracker
from trackers import open_at

MLOPS_YAML = "project: demo\ntask: binary\ndata: {table: data.csv, target: late}\n"
FILES = {
    "features.json": b'{"features":[]}',
    "profile.json": b"{}",
    "golden.jsonl": b"",
    "requirements.txt": b"xgboost==3\n",
}


def make_bundle(folder: Path, content: bytes = b"a model") -> Bundle:
    """A bundle whose digest follows from `content`; a tracker never loads the model."""
    model = Model(
        project="demo",
        task="binary",
        target=Target("late"),
        classes=(False, True),
        kind="xgboost",
        inputs=(Input("a", "float", True, None, "event"),),
        features=(Feature("a", "numeric"),),
        modules={"numpy": "2", "xgboost": "3"},
    )
    write_bundle(folder, model, {**FILES, "model.ubj": content}, {"host": "here"})
    return open_bundle(folder)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's folder, seen from elsewhere, with no tracking server in the environment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mlops.yaml").write_text(MLOPS_YAML)
    return folder


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database made once by our own code, since making its tables takes seconds."""
    folder = tmp_path_factory.mktemp("database")
    open_at(folder).log_run(RunRecord("first"))
    return folder / "mlflow.db"


@pytest.fixture
def used(root: Path, database: Path) -> Path:
    """The project's folder, whose database exists already."""
    shutil.copyfile(database, root / "mlflow.db")
    return root


@pytest.fixture
def tracker(used: Path) -> Tracker:
    return open_at(used)


@pytest.fixture
def unused(root: Path) -> Tracker:
    """A tracker that nothing was ever written to."""
    return open_at(root)


@pytest.fixture
def bundle(root: Path) -> Callable[[bytes], Bundle]:
    return lambda content: make_bundle(root / f"model-{content.hex()[:8]}", content)
