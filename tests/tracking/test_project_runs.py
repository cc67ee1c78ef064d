"""What a project's runs tell in MLflow: times, states, data, pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import projects


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    """The runs of a project, by name."""
    client = client_of(projects.finished("parcels"))
    experiment = client.get_experiment_by_name("parcels").experiment_id
    return {run.info.run_name: run for run in client.search_runs([experiment])}


def client_of(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root}/mlflow.db", f"sqlite:///{root}/mlflow.db")


def test_runs_and_trials_last_as_long_as_they_did(runs: dict[str, Run]) -> None:
    said = json.loads(projects.how_it_ran("parcels").out)
    spans = {name: (run.info.start_time, run.info.end_time) for name, run in runs.items()}
    began, ended = spans["tune"]
    trials = [spans[name] for name in spans if name.startswith("trial ")]
    assert len(trials) == 3
    assert all(began <= start < end <= ended for start, end in trials)
    assert max(end for _, end in trials) > min(end for _, end in trials)
    start, end = spans["train"]
    assert ended <= start < end
    assert said["result"]["stages"]


def test_a_run_says_who_made_it_and_of_what(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        if not name.startswith("trial "):
            assert run.data.tags["mlflow.source.name"] == f"mlops {name}"
            assert run.data.tags["mlflow.user"]
    read = {n: {_role(i): i.dataset for i in runs[n].inputs.dataset_inputs} for n in _PARTS}
    for name, parts in _PARTS.items():
        rows = {role: json.loads(d.profile)["num_rows"] for role, d in read[name].items()}
        assert rows.keys() == parts
        assert rows["training"] > 2 * min(rows.values()) > 0
    assert (
        int(runs["train"].data.params["rows"])
        == json.loads(read["train"]["training"].profile)["num_rows"]
    )
    digests = {d.digest for datasets in read.values() for d in datasets.values()}
    assert digests == {runs["train"].data.tags["data_digest"][:36]}
    columns = json.loads(read["train"]["holdout"].schema)["mlflow_colspec"]
    assert {c["name"]: c["type"] for c in columns} == {
        "depot": "string",
        "weight": "double",
        "km": "double",
        "sent_hour": "double",
        "sent_weekday": "double",
    }


_PARTS = {"tune": {"training", "validation"}, "train": {"training", "holdout"}}


def _role(read: object) -> str:
    (tag,) = read.tags
    assert tag.key == "mlflow.data.context"
    return tag.value


def test_the_pictures_of_the_holdout_stand_with_the_run(runs: dict[str, Run]) -> None:
    client = client_of(projects.finished("parcels"))
    listed = client.list_artifacts(runs["train"].info.run_id, "plots")
    assert {f.path for f in listed} == {
        f"plots/{n}.svg"
        for n in ("roc", "precision_recall", "calibration", "confusion", "importance")
    }
