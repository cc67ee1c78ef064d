"""The command line on a small project, as a person types it: init, run, and what can go wrong."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from command_line import MLOPS, Mlops

HERE = Path(sys.executable).parent


def dvc(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{HERE}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def edit(project: Path, change: Any) -> None:
    yaml = YAML()
    config = yaml.load(project / "mlops.yaml")
    change(config)
    yaml.dump(config, project / "mlops.yaml")


def digest(project: Path) -> str:
    return hashlib.sha256((project / "model/manifest.json").read_bytes()).hexdigest()


def test_a_second_run_does_nothing_and_a_lost_output_is_made_again(
    project: Path, mlops: Mlops
) -> None:
    before = digest(project)
    (project / "metrics.json").unlink()
    again = mlops(project, "run", "--json", code=0).result["stages"]
    assert (project / "metrics.json").exists()
    assert digest(project) == before
    ran = [s["name"] for s in again if s["state"] != "unchanged"]
    assert "tune" not in ran
    last = mlops(project, "run", "--json", code=0).result["stages"]
    assert {s["state"] for s in last} == {"unchanged"}


def test_run_works_from_a_subfolder_from_elsewhere_and_against_the_environment(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlops: Mlops
) -> None:
    states = {"unchanged"}
    below = mlops(project / "tests", "run", "--json", code=0).result["stages"]
    assert {s["state"] for s in below} == states
    monkeypatch.setenv("MLOPS_PROJECT", str(tmp_path / "another"))
    (project / "reports/validate.json").unlink()
    asked = ["run", "validate", "--project", project.name, "--json"]
    (there,) = mlops(tmp_path, *asked, code=0).result["stages"]
    assert there["name"] == "validate"
    assert (project / "reports/validate.json").exists()


def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(project: Path) -> None:
    edit(project, lambda c: c.update(deploy={"port": 8001}))
    assert "up to date" in dvc(project, "status").stdout
    edit(project, lambda c: c["tune"].update(trials=4))
    stale = dvc(project, "status").stdout
    assert "tune" in stale
    assert "featurize" not in stale


def test_a_stage_by_its_name_brings_its_upstream_up_to_date(project: Path, mlops: Mlops) -> None:
    edit(project, lambda c: c["tune"].update(trials=2))
    stages = mlops(project, "train", "--json", code=0).result["stages"]
    assert [(s["name"], s["state"]) for s in stages] == [
        ("validate", "unchanged"),
        ("featurize", "unchanged"),
        ("tune", "ran"),
        ("train", "ran"),
    ]


def test_a_hand_edit_of_our_stages_is_refused_until_run_mends_it(
    project: Path, mlops: Mlops
) -> None:
    path = project / "dvc.yaml"
    theirs = "  mine:\n    cmd: echo mine  # my own stage\n"
    path.write_text(path.read_text().replace("      - contracts/parcels.yaml\n", "", 1) + theirs)
    refused = dvc(project, "repro", "--force", "validate")
    assert refused.returncode == 255
    assert "dvc.yaml" in refused.stderr
    assert "mlops run" in refused.stderr
    mlops(project, "run", code=0)
    assert "contracts/parcels.yaml" in path.read_text()
    assert "echo mine  # my own stage" in path.read_text()


def test_a_key_that_is_not_known_names_file_and_nearest_key(project: Path, mlops: Mlops) -> None:
    edit(project, lambda c: c["data"].update(tarqet=c["data"].pop("target")))
    said = mlops(project, "run", code=2).err
    assert re.search(r"mlops\.yaml: .*tarqet.*`target`", said)
    told = mlops(project, "run", "--json", code=2)
    assert json.loads(told.out)["command"] == "run"
    assert (told.result["code"], told.result["kind"]) == (2, "usage")
    assert told.result["hint"]


def test_a_broken_contract_is_exit_3_although_dvc_says_255(project: Path, mlops: Mlops) -> None:
    path = project / "data/raw/parcels.csv"
    text = path.read_text()
    path.unlink()  # it may be a link into DVC's cache
    path.write_text(text.replace("weight", "mass", 1))
    said = mlops(project, "run", code=3).err
    assert "'weight'" in said
    assert dvc(project, "repro", "validate").returncode == 255
    assert json.loads((project / "reports/validate.json").read_text())


def test_a_gate_that_says_no_is_exit_4_and_the_champion_stays(project: Path, mlops: Mlops) -> None:
    def champion() -> str:
        return str(mlops(project, "status", "--json", code=0).result["champion"])

    before = champion()
    edit(project, lambda c: c.update(register={"gates": [{"metric": "roc_auc", "min": 0.9999}]}))
    said = mlops(project, "run", code=4).err
    assert "roc_auc" in said
    assert champion() == before
    decision = json.loads((project / "decision.json").read_text())
    assert decision["passed"] is False
    told = mlops(project, "status", code=0).out
    refused = decision["digest"][:12]
    assert re.search(rf"^model +{refused}, REFUSED by its gates: roc_auc >= 0.9999: ", told, re.M)


def test_missing_sections_and_contracts_are_added_by_the_next_run(
    project: Path, mlops: Mlops
) -> None:
    edit(project, lambda c: [c.pop(s) for s in ("split", "package", "validate")])
    said = mlops(project, "run", code=0).err
    assert "added the section `split`" in said
    assert "split: {}" in (project / "mlops.yaml").read_text()


def test_a_table_that_is_gone_says_how_to_bring_it_back(project: Path, mlops: Mlops) -> None:
    (project / "data/raw/parcels.csv").unlink()
    said = mlops(project, "run", code=2).err
    assert "data/raw/parcels.csv" in said
    assert "`dvc checkout`, or `dvc pull`" in said
    assert dvc(project, "checkout").returncode == 0
    mlops(project, "run", code=0)


def test_outside_a_project_it_says_how_to_make_one(tmp_path: Path, mlops: Mlops) -> None:
    assert "mlops init" in mlops(tmp_path, "run", code=2).err


@pytest.mark.slow
def test_ctrl_c_is_exit_130_and_the_next_run_goes_on(project: Path, mlops: Mlops) -> None:
    edit(project, lambda c: c["tune"].update(trials=400, rounds=200))
    command = [MLOPS, "run"]
    run = subprocess.Popen(
        command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    journals = project / ".mlops" / "tune"
    before = set(journals.iterdir())
    deadline = time.monotonic() + 60
    while set(journals.iterdir()) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "Traceback" not in said
    edit(project, lambda c: c["tune"].update(trials=2, rounds=15))
    mlops(project, "run", code=0)


def test_status_tells_where_the_project_stands(project: Path, mlops: Mlops) -> None:
    said = mlops(project, "status", code=0).out
    assert f"champion    {digest(project)[:12]}" in said
    assert re.search(r"^tune +up to date$", said, re.M)
    assert re.search(rf"^model +{digest(project)[:12]}, passed its gates$", said, re.M)
    assert re.search(r"^deployed +nothing$", said, re.M)


def test_score_and_drift_on_the_file_it_was_made_from(project: Path, mlops: Mlops) -> None:
    mlops(project, "score", "data/raw/parcels.csv", "out.csv", code=0)
    scored = (project / "out.csv").read_text().splitlines()
    assert len(scored) == 601
    assert next(csv.reader(scored))[-2:] == ["probability", "label"]
    asked = ("drift", "--json", "--current")
    assert mlops(project, *asked, "data/raw/parcels.csv", code=0).result["drifted"] is False
    rows = [line.split(",") for line in (project / "data/raw/parcels.csv").read_text().split()]
    heavy = [rows[0], *([*row[:2], str(int(row[2]) + 60), *row[3:]] for row in rows[1:])]
    (project / "heavy.csv").write_text("".join(",".join(row) + "\n" for row in heavy))
    found = mlops(project, *asked, "heavy.csv", code=5).result
    assert found["columns"][0]["name"] == "weight"
    assert "<html" in (project / found["report"]).read_text().lower()
