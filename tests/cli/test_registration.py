"""Experiments apart from production: what registers, where, and what only says how."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import projects
from command_line import MLOPS, Mlops
from mlops_cli.pipeline.worth import worth_of
from projects import registered


def git(project: Path, *command: str) -> None:
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *who, *command], cwd=project, check=True, capture_output=True)


def change(project: Path, rounds: int) -> None:
    config = project / "mlops.yaml"
    config.write_text(config.read_text().replace("rounds: 15", f"rounds: {rounds}"))


def entries(project: Path) -> list[dict[str, Any]]:
    lines = (project / "governance/audit.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(mlops: Mlops) -> Run:
    """A command's word of the registration."""

    def registration(project: Path, *command: str) -> dict[str, Any]:
        found: dict[str, Any] = mlops(project, *command, "--json", code=0).result["registration"]
        return found

    return registration


@pytest.mark.slow
def test_a_branch_and_an_experiment_move_nothing_until_somebody_says_so(
    project: Path, mlops: Mlops, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = entries(project)
    assert (first["action"], first["outcome"]) == ("register", "done")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "a champion")
    git(project, "switch", "-qc", "try")
    change(project, 21)
    found = run(project, "run")
    assert (found["state"], found["command"]) == ("not registered", "mlops register")
    assert found["why"] == "the main line is main, and this is try"
    assert run(project, "run") == found
    git(project, "commit", "-qam", "another search")
    git(project, "switch", "-q", "main")
    git(project, "merge", "-q", "--ff-only", "try")
    with monkeypatch.context() as experiment:
        experiment.setenv("DVC_EXP_NAME", "mole")
        assert run(project, "run")["state"] == "not registered"
    assert (len(registered(project)), entries(project)) == (1, [first])
    told = mlops(project, "run", code=0).out  # DVC has nothing to do, and this is the main line
    assert f"{found['version']} is the champion" in told
    _, second = entries(project)
    assert second["subject"] == {"digest": found["digest"], "before": first["subject"]["digest"]}
    assert second["parents"] == [first["id"]]
    assert set(second["evidence"]) == {
        "code",
        "contracts",
        "data",
        "decision",
        "environment",
        "inputs",
        "scripts",
        "settings",
        "tables",
    }
    assert run(project, "run")["state"] == "champion"
    assert run(project, "register")["state"] == "champion"
    assert len(entries(project)) == len(registered(project)) == 2


def test_plain_dvc_ends_with_the_command_that_registers(project: Path, run: Run) -> None:
    change(project, 22)
    path = os.pathsep.join([str(Path(MLOPS).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["dvc", "repro"],
        cwd=project,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "`mlops register` makes it a version" in done.stderr
    assert len(entries(project)) == len(registered(project)) == 1
    assert run(project, "register")["state"] == "champion"
    assert len(entries(project)) == len(registered(project)) == 2


def test_on_a_branch_register_is_a_wish_that_is_obeyed(project: Path, run: Run) -> None:
    git(project, "switch", "-qc", "try")
    change(project, 23)
    assert run(project, "register")["state"] == "champion"
    assert len(entries(project)) == len(registered(project)) == 2


def test_a_model_that_was_replaced_does_not_come_back_by_itself(project: Path, run: Run) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-qm", "a champion")
    change(project, 24)
    newer = run(project, "run")
    git(project, "stash", "-q")
    subprocess.run(["dvc", "checkout", "-q"], cwd=project, check=True)
    found = run(project, "run")
    assert found["state"] == "not registered"
    assert found["why"] == f"it was the champion before, and {newer['version']} replaced it"


def test_with_approvals_what_a_commit_holds_waits_for_them(
    project: Path, mlops: Mlops, run: Run
) -> None:
    git(project, "add", "-A")
    git(project, "commit", "-qm", "a champion")
    (first,) = entries(project)
    yaml, config = YAML(), project / "mlops.yaml"
    said = yaml.load(config)
    said["register"] = {"approvals": ["expert"]}
    said["governance"] = {"roles": {"expert": ["b@example.org"]}}
    said["tune"]["rounds"] = 25
    with config.open("w") as file:
        yaml.dump(said, file)
    refused = mlops(project, "run", code=2)
    assert "no commit holds what it was made from (mlops.yaml)" in refused.err
    assert entries(project) == [first]
    git(project, "add", "-A")
    git(project, "commit", "-qm", "approvals, and another search")
    found = run(project, "run")
    assert (found["state"], found["missing"]) == ("candidate", ["expert"])
    assert run(project, "run")["state"] == "candidate"
    *_, last = entries(project)
    assert len(entries(project)) == 2
    before = first["subject"]["digest"]
    assert last["subject"] == {"digest": found["digest"], "alias": "candidate", "before": before}
    stands = mlops(project, "status", "--json", code=0).result
    assert stands["champion"]["digest"] == before
    waits = {"digest": found["digest"], "version": found["version"]}
    assert stands["candidate"] == {**waits, "approvals": [], "missing": ["expert"]}
    assert "lacks 1 approval: expert" in mlops(project, "promote", code=7).err
    said["register"]["gates"] = [{"metric": "roc_auc", "min": 1.0}]
    with config.open("w") as file:
        yaml.dump(said, file)
    git(project, "commit", "-qam", "a gate that nothing passes")
    said["tune"]["rounds"] = 26
    with config.open("w") as file:
        yaml.dump(said, file)
    refused = mlops(project, "run", code=2)
    assert "no commit holds what it was made from" in refused.err
    assert "nor would it be otherwise" in refused.err
    assert len(entries(project)) == 2


def test_a_run_ends_with_what_the_model_is_worth_and_what_to_do_next(
    mlops: Mlops, tmp_path: Path
) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "parcels")
    worth = json.loads(projects.how_it_ran("parcels").out)["result"]["worth"]
    assert worth["low"] < worth["value"] < worth["high"]
    for _ in range(2):  # through DVC in the copied folder, then by the files' times alone
        said = mlops(project, "run", code=0).out.splitlines()
        version = json.loads((project / "decision.json").read_bytes())["digest"][:12]
        interval = f"[{worth['low']:.4g}, {worth['high']:.4g}]"
        assert said[-3:] == [
            f"{worth['metric']} {worth['value']:.4g} {interval} on the hold-out",
            f"{version} is the champion",
            "next: mlops deploy",
        ]
    assert mlops(project, "run", "train", code=0).out.splitlines()[-1] == "next: mlops run"


def test_a_metric_without_a_number_is_left_out_of_the_last_lines(
    mlops: Mlops, tmp_path: Path
) -> None:
    project = projects.copy(projects.finished("parcels"), tmp_path / "parcels")
    mlops(project, "run", code=0)
    metrics = json.loads((project / "metrics.json").read_text())
    name = next(iter(metrics["holdout"]))
    metrics["holdout"][f"{name}_low"] = None
    (project / "metrics.json").write_text(json.dumps(metrics))
    assert worth_of(project, ()) is None
    assert "Traceback" not in mlops(project, "status").said
