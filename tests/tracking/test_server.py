"""The tracker against servers: MLflow's own, its UI on a project, and ones that do not work."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.tracking.base import RunRecord, TrialRecord
from servers import MlflowServer, free_port
from trackers import open_at

Bundles = Callable[[bytes], Bundle]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    (folder / "runs.db").write_bytes(database.read_bytes())
    made = MlflowServer(
        folder, "--backend-store-uri", "sqlite:///runs.db", "--artifacts-destination", "./files"
    )
    try:
        yield made.wait().url
    finally:
        made.stop()


@pytest.mark.slow
def test_a_server_keeps_the_bundle_and_any_clone_gets_it(
    server: str, root: Path, bundle: Bundles, tmp_path: Path
) -> None:
    config = {"uri": server, "experiment": "on a server"}
    here = open_at(root, "clones", **config)
    assert here.alias("champion") is None
    assert here.versions() == []
    made = bundle(b"one")
    run_id = here.log_run(RunRecord("train", {"a": 1}, {"roc_auc": 0.5}))
    version = here.register(made, run_id=run_id, metrics={"roc_auc": 0.5})
    assert here.register(made) == version
    here.set_alias("champion", version, expected=here.alias("champion"))
    clone = tmp_path / "clone"
    clone.mkdir()
    there = open_at(clone, "clones", **config)
    assert there.alias("champion") == version
    assert open_bundle(there.fetch(version.digest)).digest == made.digest
    assert not (root / "mlartifacts").exists()
    assert not (root / "mlflow.db").exists()


@pytest.mark.slow
def test_a_search_on_a_server(server: str, root: Path) -> None:
    tracker = open_at(root, "search", uri=server)
    trials = [TrialRecord(i, "complete", {"eta": i / 10}, {"roc_auc": i / 10}) for i in range(3)]
    parent = tracker.log_trials(RunRecord("tune"), trials)
    query = f"{server}/api/2.0/mlflow/metrics/get-history?run_id={parent}&metric_key=trial.roc_auc"
    assert [m["step"] for m in json.loads(get(query))["metrics"]] == [0, 1, 2]


@pytest.mark.slow
def test_mlflows_own_ui_shows_a_projects_files(used: Path, bundle: Bundles) -> None:
    tracker = open_at(used)
    run_id = tracker.log_run(RunRecord("train"))
    made = bundle(b"one")
    tracker.register(made, run_id=run_id)
    ui = MlflowServer(used, "--backend-store-uri", "sqlite:///mlflow.db")
    try:
        url = ui.wait().url
        listing = f"{url}/api/2.0/mlflow/artifacts/list?run_id={run_id}"
        listed = json.loads(get(f"{listing}&path=model/bundle"))
        shown = get(f"{url}/get-artifact?run_id={run_id}&path=model/bundle/manifest.json")
    finally:
        ui.stop()
    names = {Path(f["path"]).name for f in listed["files"]}
    assert {"manifest.json", "model.ubj", "golden.jsonl"} <= names
    assert shown == (made.path / "manifest.json").read_bytes()


@pytest.fixture(params=["away", "broken"])
def port(request: pytest.FixtureRequest) -> int:
    return free_port() if request.param == "away" else int(request.getfixturevalue("answering_500"))


def test_a_server_that_does_not_work_is_named_without_its_password(
    port: int, root: Path, bundle: Bundles
) -> None:
    tracker = open_at(root, uri=f"http://user:secret@127.0.0.1:{port}")
    for work in (
        lambda: tracker.alias("champion"),
        tracker.versions,
        lambda: tracker.register(bundle(b"one")),
        lambda: tracker.log_run(RunRecord("x")),
    ):
        with pytest.raises(EnvironmentFault, match=f"127.0.0.1:{port}") as said:
            work()
        assert "secret" not in f"{said.value.message}{said.value.hint}"
        assert len(said.value.message) < 500


def test_a_database_whose_driver_is_missing_is_told(root: Path) -> None:
    tracker = open_at(root, uri="mssql://u:secret@127.0.0.1/x")
    with pytest.raises(EnvironmentFault, match="needs the package") as said:
        tracker.alias("champion")
    assert "secret" not in said.value.message
    assert (said.value.hint or "").startswith("pip install ")
