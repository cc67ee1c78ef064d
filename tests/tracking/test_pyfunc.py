"""A version as MLflow's own client uses it."""

from __future__ import annotations

import logging
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow.models import Model

import bundles
import mlops_cli
import projects
from mlops_cli.bundle.manifest import Task
from mlops_cli.bundle.reader import open_bundle
from trackers import open_at

INPUTS = {  # type, and whether it has to be there
    "carrier": ("string", False),
    "origin": ("string", True),
    "distance": ("long", True),
    "temp": ("double", False),
    "wet": ("boolean", False),
    "day": ("datetime", False),
    "at": ("datetime", False),
}
OUTPUTS: dict[Task, dict[str, str]] = {
    "binary": {"probability": "double", "label": "boolean"},
    "multiclass": {
        "label": "string",
        "probability_early": "double",
        "probability_late": "double",
        "probability_on time": "double",
    },
    "regression": {"value": "double"},
}


@pytest.mark.parametrize("task", OUTPUTS)
def test_mlflow_loads_a_version_and_gives_our_numbers(
    task: Task,
    used: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sample = bundles.write(tmp_path / "model", task)
    tracker = open_at(used)
    version = tracker.register(open_bundle(sample.path))
    tracker.set_alias("champion", version, expected=None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{used}/mlflow.db")
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    logging.getLogger("mlflow").propagate = True
    model = mlflow.pyfunc.load_model("models:/demo@champion")
    frame = pd.DataFrame(sample.events)
    wanted = mlops_cli.load(sample.path).predict(sample.events)
    pd.testing.assert_frame_equal(model.predict(frame), wanted)
    moments = frame.assign(at=pd.to_datetime(frame["at"]), day=pd.to_datetime(frame["day"]))
    pd.testing.assert_frame_equal(model.predict(moments), wanted)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]

    signature = model.metadata.signature
    found = {c.name: (c.type.name, c.required) for c in signature.inputs}
    assert found == INPUTS
    assert {c.name: c.type.name for c in signature.outputs} == OUTPUTS[task]
    assert model.metadata.metadata["digest"] == version.digest


def test_a_projects_version_is_a_whole_mlflow_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "parcels")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    folder = Path(mlflow.artifacts.download_artifacts("models:/parcels@champion"))
    assert {p.name for p in folder.iterdir()} == {
        "MLmodel",
        "bundle",
        "python_env.yaml",
        "requirements.txt",
        "registered_model_meta",  # which MLflow's client leaves there
    }
    bundle = open_bundle(folder)
    assert bundle.digest == open_bundle(root / "model").digest
    needed = (folder / "requirements.txt").read_text().splitlines()
    ours = mlflow.pyfunc.get_model_dependencies("models:/parcels@champion")
    assert Path(ours).read_text().splitlines() == needed
    assert needed[:2] == [
        "mlops-cli @ git+https://github.com/mlops-cli/mlops-cli@v0.2.0",
        f"mlflow=={mlflow.__version__}",
    ]
    assert {f"{n}=={v}" for n, v in bundle.requirements().items()} == set(needed[2:])
    made = Model.load(str(folder))
    by_run = mlflow.pyfunc.load_model(f"runs:/{made.run_id}/model")
    frame = pd.read_csv(root / "data/raw/parcels.csv")
    wanted = mlops_cli.load(root / "model").predict(frame)
    pd.testing.assert_frame_equal(by_run.predict(frame), wanted)
    pd.testing.assert_frame_equal(
        mlflow.pyfunc.load_model("models:/parcels/1").predict(frame), wanted
    )
    inputs = {c.name: (c.type.name, c.required) for c in made.signature.inputs}
    assert inputs["weight"] == ("long", True)
    assert inputs["km"] == ("double", False)  # whole numbers, some of which are missing
