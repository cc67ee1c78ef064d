"""A project whose champion is calibrated and labels by costs, and whose first version was neither.

Whatever asks for the champion answers by its threshold: the service, `score`, the log, `monitor`,
MLflow's own client; `compare` and `reproduce` know it like any other version.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest

import mlops_cli
import projects
from command_line import mlops_process
from mlops_cli import collect, compare, deploy, load_project, monitor, parity
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.tracking import open_tracker
from servers import free_port
from traffic import Watched

DECIDED = """train:
  calibrate: sigmoid
  costs: {false_positive: 1, false_negative: 6}
register: {gates: []}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, whose second version took the place of the first."""
    root = projects.copy(projects.finished("parcels"), tmp_path_factory.mktemp("decided") / "p")
    config = root / "mlops.yaml"
    kept = [x for x in config.read_text().splitlines() if not x.startswith(("train:", "register:"))]
    config.write_text("\n".join([*kept, DECIDED]))
    home = str(root.parent / "home")
    env = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": home, "DVC_SITE_CACHE_DIR": home}
    mlops_process(root, "run", code=0, env=env)
    who = ("-c", "user.name=a", "-c", "user.email=a@x.org")
    for command in (("add", "-A"), (*who, "commit", "-qm", "calibrated")):
        subprocess.run(["git", *command], cwd=root, check=True, env=env)
    return root


@pytest.fixture
def project(root: Path) -> Project:
    return load_project(root)


@pytest.fixture
def frame(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "data/raw/parcels.csv")


def versions(project: Project) -> tuple[str, str]:
    """The champion, and the one before it."""
    old, new = sorted(open_tracker(project).versions(), key=lambda v: int(v.number or 0))
    return new.version, old.version


def asked(port: int, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/predict", json.dumps(events))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    found: list[dict[str, Any]] = answer["predictions"]
    return found


def test_the_service_the_log_and_monitoring_go_by_the_threshold(
    project: Project, frame: pd.DataFrame, tmp_path: Path
) -> None:
    manifest = open_bundle(project.root / "model").manifest
    assert manifest.format == "2.0"
    assert manifest.threshold < 0.4
    port = free_port()
    deploy(project, port=port)
    try:
        result = parity(project)
        assert len(result.pairs) == 3
        assert result.equal
        events = json.loads(frame[[i.name for i in manifest.inputs]].to_json(orient="records"))
        said = asked(port, events)
        assert collect(project, closing=True).rows == len(events)
    finally:
        deploy(project, stop=True)
    chances = np.array([p["probability"] for p in said])
    labels = np.array([p["label"] for p in said])
    assert (labels == (chances >= manifest.threshold)).all()
    assert (labels != (chances >= 0.5)).any()
    wanted = mlops_cli.load(project.root / "model").predict(frame)
    assert wanted["probability"].to_numpy() == pytest.approx(chances, abs=1e-6)
    watched = Watched(tmp_path / "watched", project.root / "model", "binary")
    watched.answer(0, events, every=timedelta(minutes=1))
    (window,) = monitor(watched.project).windows
    assert window.estimated is not None
    expected = np.where(labels, chances, 1 - chances).mean()  # of probabilities that are right
    assert window.estimated["accuracy"] == pytest.approx(expected, abs=0.05)


def test_mlflows_own_client_gives_its_labels(
    project: Project, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.root}/mlflow.db")
    wanted = mlops_cli.load(project.root / "model").predict(frame)
    found = mlflow.pyfunc.load_model("models:/parcels@champion").predict(frame)
    pd.testing.assert_frame_equal(found, wanted)
    first = mlflow.pyfunc.load_model("models:/parcels/1").predict(frame)
    assert (first["label"] == (first["probability"] >= 0.5)).all()
    assert (first["label"] != found["label"]).any()


def test_it_is_compared_with_the_version_before_it(project: Project) -> None:
    new, old = versions(project)
    found = compare(project, old, new)
    assert {m.name for m in found.metrics if m.difference} >= {"log_loss", "accuracy"}
    assert found.remarks == []
    page = (project.root / "reports/evaluation.html").read_text()
    assert f"Beside the champion <code>{old}</code>" in page


def test_it_is_made_again(project: Project) -> None:
    told = mlops_process(project.root, "reproduce", "--here", "--json").result
    assert told["made"] == told["digest"], told
