"""The embedded tracker: MLflow on SQLite, really run."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.errors import BundleError, EnvironmentFault, UsageError
from mlops_cli.tracking.base import AliasMoved, RunRecord, Tracker, TrialRecord
from trackers import crown_model, open_at

Bundles = Callable[[bytes], Bundle]


def client(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root}/mlflow.db", f"sqlite:///{root}/mlflow.db")


def test_reading_an_unused_registry_creates_nothing(unused: Tracker, root: Path) -> None:
    assert unused.alias("champion") is None
    assert unused.versions() == []
    with pytest.raises(UsageError, match="knows no version"):
        unused.fetch("ab" * 32)
    assert not (root / "mlflow.db").exists()


def test_a_version_is_registered_once_and_comes_back_whole(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    made = bundle(b"one")
    version = tracker.register(made, metrics={"roc_auc": 0.7125}, tags={"who": "me"})
    again = open_at(root).register(made)
    assert again == version
    assert (version.digest, version.number) == (made.digest, "1")
    assert version.metrics == {"roc_auc": 0.7125}
    assert version.tags["who"] == "me"
    assert client(root).get_model_version("demo", "1").description == made.version
    assert tracker.versions() == [version]
    shutil.rmtree(made.path)
    fetched = open_bundle(tracker.fetch(made.digest))
    assert fetched.digest == made.digest
    assert fetched.path == root / ".mlops/bundles" / made.version


def test_a_version_s_page_says_what_it_is_worth(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    metrics = {"roc_auc": 0.7125, "roc_auc_low": 0.7, "roc_auc_high": 0.73}
    made = bundle(b"one")
    tracker.register(made, metrics=metrics, tags={"metric": "roc_auc"})
    said = client(root).get_model_version("demo", "1").description
    assert said == f"{made.version}: roc_auc 0.7125 [0.7000, 0.7300] on the hold-out"


def test_an_alias_moves_from_the_version_that_was_expected(
    tracker: Tracker, bundle: Bundles
) -> None:
    one, two = (tracker.register(bundle(c)) for c in (b"one", b"two"))
    assert tracker.alias("champion") is None
    tracker.set_alias("champion", one, expected=None)
    assert tracker.alias("champion") == one
    assert tracker.alias("candidate") is None
    for expected in (None, two):
        with pytest.raises(AliasMoved, match=f"is {one.version} now"):
            tracker.set_alias("champion", two, expected=expected)
        assert tracker.alias("champion") == one
    tracker.set_alias("champion", two, expected=one)
    tracker.set_alias("candidate", one, expected=None)
    assert (tracker.alias("champion"), tracker.alias("candidate")) == (two, one)
    assert tracker.versions() == [one, two]


def test_the_audit_logs_lines_are_kept_with_the_model(tracker: Tracker, bundle: Bundles) -> None:
    tracker.keep_audit_line("a" * 64, "lost")  # there is no model yet, hence no place
    assert tracker.audit_lines() is None
    tracker.register(bundle(b"one"))
    assert tracker.audit_lines() == {}
    line = '{"id":"' + "a" * 64 + '","reason":"Zoë\'s 100 % of it"}' + " " * 4000
    tracker.keep_audit_line("a" * 64, line)
    assert tracker.audit_lines() == {"a" * 64: line}


def test_a_version_belongs_to_the_run_that_made_it(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    run_id = tracker.log_run(RunRecord("train"))
    tracker.register(bundle(b"one"), run_id=run_id)
    tracker.register(bundle(b"two"), run_id="0" * 32)  # of a server that is not this one
    assert client(root).get_model_version("demo", "1").run_id == run_id
    assert client(root).get_model_version("demo", "2").run_id not in (run_id, "0" * 32)


def test_a_run_keeps_what_it_was_told(tracker: Tracker, root: Path) -> None:
    params = {f"p{i}": i for i in range(250)} | {"long": "x" * 10_000, "none": None}
    metrics = {"roc_auc": 0.75, "recall[a&b]": 0.5, "undefined": math.nan}
    run_id = tracker.log_run(RunRecord("train", params, metrics, {"git": "abc"}, seconds=2.5))
    run = client(root).get_run(run_id)
    assert run.info.run_name == "train"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 2500
    assert len(run.data.params) == 252
    assert run.data.params["p249"] == "249"
    assert run.data.metrics == {"roc_auc": 0.75, "recall_a_b_": 0.5}
    assert run.data.tags["git"] == "abc"


def test_trials_stand_under_one_run(tracker: Tracker, root: Path) -> None:
    states = ("complete", "pruned", "failed")
    trials = [
        TrialRecord(
            i,
            state,
            {"eta": 0.1 * i},
            {} if state == "failed" else {"roc_auc": 0.5 + i},
            began=1_700_000_000.25 + i,
            ended=1_700_000_003.5 + i,
            reason="eta must be positive" if state == "failed" else None,
        )
        for i, state in enumerate(states)
    ]
    parent = tracker.log_trials(RunRecord("tune", {"trials": 3}), trials)
    found = client(root)
    experiment = found.get_experiment_by_name("demo").experiment_id
    under = found.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    by_name = {r.info.run_name: r for r in under}
    assert [by_name[f"trial {i}"].data.tags["state"] for i in range(3)] == list(states)
    assert [by_name[f"trial {i}"].info.status for i in range(3)] == ["FINISHED", "KILLED", "FAILED"]
    assert by_name["trial 1"].data.params == {"eta": "0.1"}
    assert by_name["trial 1"].info.start_time == 1_700_000_001_250
    assert by_name["trial 1"].info.end_time == 1_700_000_004_500
    assert by_name["trial 2"].data.tags["reason"] == "eta must be positive"
    assert "reason" not in by_name["trial 1"].data.tags
    steps = found.get_metric_history(parent, "trial.roc_auc")
    assert [(m.step, m.value) for m in steps] == [(0, 0.5), (1, 1.5)]


def test_a_changed_copy_is_fetched_again(tracker: Tracker, bundle: Bundles) -> None:
    digest = tracker.register(bundle(b"one")).digest
    folder = tracker.fetch(digest)
    (folder / "model.ubj").write_bytes(b"changed")
    (folder / "stray").write_bytes(b"")
    assert open_bundle(tracker.fetch(digest)).digest == digest


def test_a_registry_whose_files_were_changed_is_refused(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    digest = tracker.register(bundle(b"one")).digest
    (stored,) = (root / "mlartifacts").rglob("model.ubj")
    stored.write_bytes(b"changed")
    with pytest.raises(BundleError, match=r"model\.ubj"):
        tracker.fetch(digest)
    assert not (root / ".mlops/bundles" / digest[:12]).exists()


def test_a_buried_version_keeps_its_name_and_loses_its_files(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    made, other = bundle(b"one"), bundle(b"two")
    version = tracker.register(made)
    tracker.register(other)
    for _ in range(2):  # what was killed half-way is done again
        tracker.bury(version, "it held a row")
    assert len(tracker.versions()) == 2
    with pytest.raises(UsageError, match="were deleted: it held a row"):
        tracker.fetch(made.digest)
    assert open_bundle(tracker.fetch(other.digest)).digest == other.digest
    kept = [f.read_bytes() for f in (root / "mlartifacts").rglob("model.ubj")]
    assert kept == [b"two"]


def test_a_version_of_an_earlier_release_is_its_bundle_alone(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    made, found = bundle(b"one"), client(root)
    run_id = tracker.log_run(RunRecord("train"))
    found.log_artifacts(run_id, str(made.path), "bundle")
    found.create_registered_model("demo")
    source = f"{found.get_run(run_id).info.artifact_uri}/bundle"
    found.create_model_version("demo", source, run_id, tags={"digest": made.digest})
    assert open_bundle(tracker.fetch(made.digest)).digest == made.digest


def test_a_champion_of_another_hand_is_told(tracker: Tracker, bundle: Bundles, root: Path) -> None:
    tracker.register(bundle(b"one"))
    found = client(root)
    found.create_model_version("demo", "mlops-project:/elsewhere")
    found.set_registered_model_alias("demo", "champion", "2")
    assert [v.number for v in tracker.versions()] == ["1"]
    with pytest.raises(EnvironmentFault, match="version 2 of demo"):
        tracker.alias("champion")


CLIENT = """
import mlflow, mlflow.artifacts
from mlflow import MlflowClient
mlflow.set_tracking_uri("sqlite:///mlflow.db")
name = MlflowClient().search_registered_models()[0].name
MlflowClient().get_model_version_by_alias(name, "champion")
print(mlflow.artifacts.download_artifacts(f"models:/{name}@champion"))
"""


def test_a_moved_project_keeps_its_versions(
    tracker: Tracker, bundle: Bundles, root: Path, tmp_path: Path
) -> None:
    version = tracker.register(bundle(b"one"))
    tracker.set_alias("champion", version, expected=tracker.alias("champion"))
    moved = tmp_path / "a new place"
    root.rename(moved)
    ours = open_at(moved)
    assert ours.alias("champion") == version
    assert open_bundle(ours.fetch(version.digest)).digest == version.digest
    theirs = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT],
        cwd=moved,
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(theirs.stdout.strip().splitlines()[-1])
    assert folder.is_relative_to(moved)
    assert open_bundle(folder).digest == version.digest


def test_nothing_of_this_machine_stands_in_the_database(
    unused: Tracker, bundle: Bundles, root: Path
) -> None:
    unused.set_alias("champion", unused.register(bundle(b"one")), expected=unused.alias("champion"))
    with contextlib.closing(sqlite3.connect(root / "mlflow.db")) as database:
        text = "\n".join(database.iterdump())
    assert str(root) not in text


@pytest.mark.slow
def test_processes_at_once_make_one_version_of_a_bundle(bundle: Bundles, root: Path) -> None:
    made = bundle(b"one")
    context = multiprocessing.get_context("spawn")
    with context.Pool(4) as pool:  # the database does not exist yet, either
        said = pool.map(crown_model, [root] * 4)
    assert set(said) == {f"1 {root / '.mlops/bundles' / made.version}"}
    tracker = open_at(root)
    assert [v.digest for v in tracker.versions()] == [made.digest]


def test_first_use_is_silent(root: Path, bundle: Bundles) -> None:
    bundle(b"one")
    code = (
        "import logging, sys; from pathlib import Path; logging.basicConfig(level=logging.INFO);"
        "from mlops_cli.tracking import open_tracker; from mlops_cli.tracking.base import *;"
        "from mlops_cli.config.load import load_project; "
        "open_tracker(load_project(sys.argv[1])).log_run(RunRecord('x'))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "alembic" not in done.stderr
    assert done.stdout == ""


@pytest.mark.slow  # SQLite waits for 20 s
def test_a_locked_database_is_told_in_bounded_time(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    tracker.register(bundle(b"one"))
    holder = sqlite3.connect(root / "mlflow.db", isolation_level=None)
    holder.execute("begin exclusive")
    try:
        with pytest.raises(EnvironmentFault, match="locked") as said:
            tracker.versions()
    finally:
        holder.close()
    assert "another program" in (said.value.hint or "")


def test_the_environment_wins_and_relative_paths_are_the_projects(
    root: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "runs").mkdir()
    shutil.copyfile(database, root / "runs/tracking.db")
    config = {"uri": "sqlite:///runs/tracking.db", "experiment": "ours"}
    run_id = open_at(root, **config).log_run(RunRecord("x"))
    found = MlflowClient(f"sqlite:///{root}/runs/tracking.db").get_run(run_id)
    assert found.info.artifact_uri.startswith("mlops-project:/mlartifacts/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9/")
    assert open_at(root, **config).address == "http://***@127.0.0.1:9/"


KILLED = """
import os, signal, sys
from pathlib import Path
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.tracking import open_tracker
tracker = open_tracker(load_project(sys.argv[1]))
tracker.alias("champion")
from mlflow import MlflowClient
from mlops_cli.tracking import mlflow
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
place = mlflow if hasattr(mlflow, sys.argv[3]) else MlflowClient
assert hasattr(place, sys.argv[3])
setattr(place, sys.argv[3], die)
tracker.register(open_bundle(Path(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["put_files", "create_registered_model", "create_model_version"])
def test_registering_goes_on_where_it_was_killed(
    tracker: Tracker, bundle: Bundles, root: Path, step: str
) -> None:
    made = bundle(b"one")
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(root), str(made.path), step]
    assert subprocess.run(command, check=False).returncode == -9
    assert tracker.versions() == []
    version = tracker.register(made)
    assert tracker.versions() == [version]
    assert open_bundle(tracker.fetch(made.digest)).digest == made.digest


def test_what_another_hand_changes_is_seen_at_once(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    one, two = (tracker.register(bundle(c)) for c in (b"one", b"two"))
    tracker.set_alias("champion", one, expected=tracker.alias("champion"))
    assert open_at(root).alias("champion") == one
    theirs = client(root)
    theirs.set_registered_model_alias("demo", "champion", two.number)
    assert open_at(root).alias("champion") == two
    theirs.delete_registered_model_alias("demo", "champion")
    assert open_at(root).alias("champion") is None


KNOWN = """
import sys
from pathlib import Path
from mlops_cli.config.load import load_project
from mlops_cli.tracking import open_tracker
tracker = open_tracker(load_project(sys.argv[1]))
print(tracker.fetch(tracker.alias("champion").digest), "mlflow" in sys.modules)
"""


def test_a_champion_that_is_known_needs_no_mlflow(
    tracker: Tracker, bundle: Bundles, root: Path
) -> None:
    version = tracker.register(bundle(b"one"))
    tracker.set_alias("champion", version, expected=tracker.alias("champion"))
    folder = tracker.fetch(version.digest)
    done = subprocess.run(
        [sys.executable, "-c", KNOWN, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(folder), "False"]
