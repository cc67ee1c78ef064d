"""`register` on a small project whose every stage is really run."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import projects
from mlops_cli.actions.promote import promote
from mlops_cli.actions.register import register
from mlops_cli.actions.status import DecisionStatus, status
from mlops_cli.audit.entry import Entry
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import read_log
from mlops_cli.config.load import load_project
from mlops_cli.errors import EnvironmentFault, GateError, InconclusiveError
from mlops_cli.stages.featurize import featurize
from mlops_cli.stages.register import register as stage_register
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune
from mlops_cli.stages.validate import validate
from mlops_cli.tracking import open_tracker

CONFIG: dict[str, Any] = {
    "project": "parcels",
    "task": "binary",
    "data": {"table": "data/raw/parcels.parquet", "target": "late = delay > 0", "time": "at"},
    "features": {
        "columns": ["weight", "depot"],
        "row": {"heavy": "weight / 3.0"},
        "join": [
            {
                "table": "data/raw/storms.parquet",
                "on": ["depot"],
                "asof": "seen",
                "lag": "1h",
                "columns": ["wind"],
            }
        ],
    },
    "tune": {"trials": 2, "rounds": 20},
    "register": {"gates": [{"metric": "roc_auc", "min": 0.6}, {"champion": "not_worse"}]},
}
ROWS = 1500


def tables() -> tuple[pa.Table, pa.Table]:
    """Parcels whose delay follows from weight and the depot's wind, and the wind by the hour."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-01-01T00:00:00", "us")
    hours = np.arange(ROWS // 2)
    wind = rng.normal(size=(2, len(hours)))
    storms = pa.table(
        {
            "depot": np.repeat(["N", "S"], len(hours)),
            "seen": np.tile(start + hours * np.timedelta64(1, "h"), 2),
            "wind": wind.ravel(),
        }
    )
    at = np.sort(rng.integers(2, len(hours), ROWS))
    side, weight = rng.integers(0, 2, ROWS), rng.integers(1, 40, ROWS)
    delay = (weight - 20) / 8 + 2 * wind[side, at - 1] + rng.normal(size=ROWS)
    parcels = pa.table(
        {
            "at": start + at * np.timedelta64(1, "h"),
            "depot": np.where(side == 1, "S", "N"),
            "weight": weight,
            "noise": rng.normal(size=ROWS),
            "delay": delay,
        }
    )
    return parcels, storms


CONTRACTS = {
    "parcels": {"at": "timestamp", "depot": "text", "weight": "integer", "noise": "float",
                "delay": "float"},
    "storms": {"depot": "text", "seen": "timestamp", "wind": "float"},
}  # fmt: skip


def write_contract(root: Path, name: str) -> None:
    columns = {c: {"type": kind, "nullable": True} for c, kind in CONTRACTS[name].items()}
    (root / "contracts").mkdir(exist_ok=True)
    (root / f"contracts/{name}.yaml").write_text(json.dumps({"columns": columns}))


def configure(root: Path, **sections: Any) -> None:
    (root / "mlops.yaml").write_text(json.dumps({**CONFIG, **sections}))


def make(root: Path) -> None:
    """Everything before `register`."""
    project = load_project(root)
    for stage in (validate, featurize, tune, train):
        stage(project)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    (root / "data/raw").mkdir(parents=True)
    for table, name in zip(tables(), ("parcels", "storms"), strict=True):
        pq.write_table(table, root / f"data/raw/{name}.parquet")
        write_contract(root, name)
    configure(projects.with_database(root))
    make(root)
    return root


@pytest.fixture(scope="module")
def with_champion(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("champion") / "project"
    shutil.copytree(trained, root)
    register(load_project(root))
    return root


@pytest.fixture
def project(with_champion: Path, tmp_path: Path) -> Path:
    """A project whose first model is the champion."""
    shutil.copytree(with_champion, tmp_path / "project")
    return tmp_path / "project"


def decision(root: Path) -> dict[str, Any]:
    return json.loads((root / "decision.json").read_text())


def champion(root: Path) -> str:
    found = open_tracker(load_project(root)).alias("champion")
    assert found is not None
    return found.digest


def versions(root: Path) -> list[str]:
    return [v.digest for v in open_tracker(load_project(root)).versions()]


def entries(root: Path) -> list[Entry]:
    return in_order(read_log(root).entries)


def weaken(root: Path) -> None:
    """Train another model in the project, on noise alone."""
    configure(
        root, features={"columns": ["noise"]}, register={"gates": [{"champion": "not_worse"}]}
    )
    make(root)


def test_the_first_model_becomes_the_champion(with_champion: Path, trained: Path) -> None:
    made = decision(with_champion)
    holdout = json.loads((trained / "metrics.json").read_text())["holdout"]
    assert made["passed"] is True
    assert made["champion_before"] is None
    assert (made["digest"], made["value"]) == (champion(with_champion), holdout["roc_auc"])
    assert [g["verdict"] for g in made["gates"]] == ["passed", "passed"]
    assert made["gates"][0] | {"why": ""} == {
        "gate": "roc_auc >= 0.6",
        "verdict": "passed",
        "why": "",
        "metric": "roc_auc",
        "value": holdout["roc_auc"],
        "bound": 0.6,
    }
    told = status(load_project(with_champion))
    assert told.decision == DecisionStatus(made["digest"], made["digest"][:12], passed=True, why=())
    found = told.champion
    assert found is not None
    assert (found.digest, found.metric, found.metric_name) == (
        champion(with_champion),
        holdout["roc_auc"],
        "roc_auc",
    )


def test_registering_again_changes_nothing(project: Path) -> None:
    before = decision(project)
    result = register(load_project(project))
    assert (result.state, result.champion_before) == ("champion", before["digest"])
    assert result.champion == champion(project) == before["digest"]
    assert versions(project) == [before["digest"]]
    assert [(e.outcome, e.subject) for e in entries(project)] == [
        ("done", {"digest": before["digest"]})
    ]


def test_a_worse_model_is_refused_and_a_better_one_passes(project: Path, trained: Path) -> None:
    good = champion(project)
    best = decision(project)["value"]
    weaken(project)
    with pytest.raises(GateError) as said:
        register(load_project(project))
    refused = decision(project)
    assert not stage_register(load_project(project), experiment=True).passed
    told = status(load_project(project)).decision
    assert told is not None
    assert (told.digest, told.passed) == (refused["digest"], False)
    assert told.why[0].startswith("champion: not_worse: roc_auc is ")
    assert said.value.exit_code == 4
    assert good[:12] in said.value.message
    assert refused["passed"] is False
    assert refused["champion_before"]["digest"] == good
    # The champion's weight, depot, heavy and wind are none of this project's features any more:
    # made again from the tables, on the same rows, they give its own number.
    assert refused["gates"][0]["bound"] == pytest.approx(best, abs=1e-9)
    assert refused["gates"][0]["value"] < 0.6
    assert champion(project) == good
    assert versions(project) == [good]
    last = entries(project)[-1]
    why = said.value.message.partition(": ")[2]
    assert (last.action, last.outcome, last.reason) == ("register", "refused", why)
    assert last.subject == {"digest": refused["digest"], "before": good}

    weak = register(load_project(project), first=True).champion
    assert champion(project) == weak != good
    configure(project)
    for name in ("model", "data", "metrics.json"):
        put_back(trained / name, project / name)
    next_step, passed = register(load_project(project)).command, decision(project)
    assert (passed["passed"], champion(project)) == (True, weak)
    assert next_step == f"mlops promote {good[:12]}"
    assert promote(load_project(project), good[:12]).before == weak
    assert champion(project) == good
    assert [e.outcome for e in entries(project)] == ["done", "refused", "done", "done"]
    assert passed["gates"][1]["value"] > passed["gates"][1]["bound"] + 0.1
    assert versions(project) == [good, weak]


def put_back(source: Path, destination: Path) -> None:
    if source.is_dir():
        shutil.rmtree(destination)
        shutil.copytree(source, destination)
    else:
        shutil.copyfile(source, destination)


def test_the_same_start_gives_the_same_decision(project: Path, tmp_path: Path) -> None:
    weaken(project)
    shutil.copytree(project, tmp_path / "twin")
    for root in (project, tmp_path / "twin"):
        with pytest.raises(GateError, match="is refused"):
            register(load_project(root))
    assert decision(project) == decision(tmp_path / "twin")


def test_a_bound_refuses_whoever_is_champion(project: Path) -> None:
    configure(project, register={"gates": [{"metric": "roc_auc_low", "min": 0.99}]})
    with pytest.raises(GateError, match="roc_auc_low is"):
        register(load_project(project))
    assert decision(project)["gates"][0]["bound"] == 0.99
    assert decision(project)["champion_before"]["digest"] == champion(project)


def test_a_champion_that_answers_another_question_decides_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = CONFIG["data"] | {"target": "late = delay > 1"}
    configure(project, data=data)
    make(project)
    with pytest.raises(InconclusiveError, match="another target") as said:
        register(load_project(project))
    assert said.value.exit_code == 6
    assert decision(project)["gates"][1]["verdict"] == "undecided"
    (project / ".mlops/first").touch()  # what an earlier release's `--first` left when killed
    with pytest.raises(InconclusiveError, match="another target"):
        register(load_project(project))
    monkeypatch.setenv("MLOPS_FIRST", "1")
    assert register(load_project(project)).state == "champion"


def grown(root: Path, rows: int, *, turned: bool = False) -> None:
    """A table without a time, whose first rows are always the same; `turned`: in another order."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2200, 6)).round(3)
    y = x[:, 0] + rng.normal(size=2200) * 1.5 > 0
    table = pa.table({**dict(zip("abcdef", x.T, strict=True)), "y": y}).slice(0, rows)
    if turned:
        table = table.take(np.arange(rows)[::-1])
    pq.write_table(table, root / "data/raw/points.parquet")


@pytest.fixture
def points(tmp_path: Path) -> Path:
    root = tmp_path / "points"
    (root / "data/raw").mkdir(parents=True)
    (root / "contracts").mkdir()
    kinds = {**dict.fromkeys("abcdef", "float"), "y": "boolean"}
    columns = {name: {"type": kind} for name, kind in kinds.items()}
    (root / "contracts/points.yaml").write_text(json.dumps({"columns": columns}))
    config = {
        "project": "points",
        "task": "binary",
        "data": {"table": "data/raw/points.parquet", "target": "y"},
        "features": {"columns": list("abcdef")},
        "tune": {"trials": 2, "rounds": 60},
    }
    (root / "mlops.yaml").write_text(json.dumps(config))
    grown(root, 2000)
    make(root)
    register(load_project(root))
    return root


def test_rows_added_without_a_time_do_not_flatter_the_champion(points: Path) -> None:
    before = decision(points)
    grown(points, 2200)
    make(points)
    assert register(load_project(points)).state == "champion"
    gate = decision(points)["gates"][0]
    assert re.search(r"on the same 4[34]\d rows", gate["why"])
    # Its own rows would give it 0.78: its hold-out when it was made gave it what it has now.
    assert gate["bound"] == pytest.approx(before["value"], abs=0.03)


def test_a_champion_of_rows_that_are_others_now_refuses_nobody(points: Path) -> None:
    grown(points, 2200, turned=True)
    make(points)
    with pytest.raises(InconclusiveError, match="it may have learned some of these"):
        register(load_project(points))
    assert decision(points)["gates"][0]["verdict"] == "undecided"
    assert register(load_project(points), first=True).state == "champion"


def test_a_champion_whose_table_is_gone_decides_nothing(project: Path) -> None:
    good = champion(project)
    weaken(project)
    (project / "data/raw/storms.parquet").unlink()
    with pytest.raises(InconclusiveError, match=r"storms\.parquet"):
        register(load_project(project))
    assert champion(project) == good


def test_an_empty_registry_does_not_wave_a_model_through(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = champion(project)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y"]
    for command in (["init", "-q"], ["add", "decision.json"], ["commit", "-qm", "decided"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    (project / "decision.json").unlink()  # as DVC does before it runs the stage
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/another.db")
    with pytest.raises(EnvironmentFault, match=was[:12]) as said:
        register(load_project(project))
    assert said.value.exit_code == 8
    assert "another.db" in said.value.message
    assert "--first" in (said.value.hint or "")
    assert register(load_project(project), first=True).state == "champion"


KILLED = """
import os, signal, sys
from pathlib import Path
from mlops_cli.config.load import load_project
from mlops_cli.actions.register import register
from mlops_cli.governance import registration
from mlops_cli.stages import register as stage
from mlops_cli.tracking import mlflow
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "write_decision":
    stage.write_decision = die
elif sys.argv[2] == "record":
    registration.record = die
else:
    setattr(mlflow.MlflowTracker, sys.argv[2], die)
register(load_project(Path(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["register", "write_decision", "set_alias", "record"])
def test_a_killed_register_ends_as_if_it_had_not_been(
    trained: Path, with_champion: Path, tmp_path: Path, step: str
) -> None:
    root = tmp_path / "project"
    shutil.copytree(trained, root)
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(root), step]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    (root / "decision.json").unlink(missing_ok=True)
    result = register(load_project(root))
    assert champion(root) == result.digest
    assert versions(root) == [result.digest]
    if step == "record":  # it was the champion already when it was judged once more
        assert decision(root)["champion_before"]["digest"] == result.digest
    else:
        assert decision(root) == decision(with_champion)
    assert [e.outcome for e in entries(root)] == ["done"]
