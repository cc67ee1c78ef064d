"""A project that has collected the log of an experiment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import bundles
import projects
from experiment_logs import CANDIDATE, CONFIG, Line, experiment
from mlops_cli import collect, labels, load_project
from mlops_cli.bundle.reader import open_bundle

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose label is true or false."""
    return bundles.write(tmp_path_factory.mktemp("ab") / "model").path


@pytest.fixture
def make(tmp_path: Path, model: Path) -> Make:
    """Makes a project that has collected these lines (and labels), with its configuration."""
    version = open_bundle(model).version

    def write(lines: list[Line], *, config: str = CONFIG, outcomes: str = "") -> Path:
        root = tmp_path / "p"
        root.mkdir()
        (root / "mlops.yaml").write_text(config)
        (root / "model").symlink_to(model)
        projects.with_database(root)
        if lines:
            file = tmp_path / "log.ndjson"
            text = "".join(json.dumps(x) + "\n" for x in lines)
            file.write_text(text.replace(CANDIDATE, version))
            collect(load_project(root), files=[file])
        if outcomes:
            (tmp_path / "outcomes.csv").write_text(outcomes)
            labels(load_project(root), "add", tmp_path / "outcomes.csv")
        return root

    return write


@pytest.fixture
def root(make: Make) -> Path:
    """The project with the whole experiment."""
    return make(experiment())
