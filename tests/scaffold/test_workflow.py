"""The generated workflow: what it may do, what it is pinned to, and that its lines run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from mlops_cli.pipeline.dvc_yaml import write_dvc_yaml
from mlops_cli.scaffold.init import init

FAST = "tune: {trials: 2, rounds: 5}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    rows = 400
    table = {
        "size": [float(i % 17) for i in range(rows)],
        "kind": [["red", "green"][i % 2] for i in range(rows)],
        "late": [(i % 17 + i * 7 % 13) > 12 for i in range(rows)],
    }
    pq.write_table(pa.table(table), folder / "orders.parquet")
    init(folder / "p", data=folder / "orders.parquet", target="late", finish=write_dvc_yaml)
    return folder / "p"


@pytest.fixture(scope="module")
def workflow(project: Path) -> dict[str, Any]:
    text = (project / ".github/workflows/mlops.yml").read_text()
    loaded: dict[str, Any] = YAML(typ="safe").load(text)
    return loaded


def test_it_may_read_and_nothing_else(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    checkout = next(s for s in job["steps"] if "checkout" in s.get("uses", ""))
    assert checkout["with"]["persist-credentials"] is False


def test_every_action_is_pinned_to_a_commit(project: Path) -> None:
    text = (project / ".github/workflows/mlops.yml").read_text()
    uses = re.findall(r"uses: (.*)", text)
    assert len(uses) == 2
    for line in uses:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.slow
def test_its_lines_run(project: Path, workflow: dict[str, Any], tmp_path: Path) -> None:
    config = project / "mlops.yaml"
    config.write_text(re.sub(r"^tune: \{\}", FAST, config.read_text(), flags=re.M))
    (job,) = workflow["jobs"].values()
    lines = [s["run"] for s in job["steps"] if "run" in s and s["name"] != "Install"]
    assert len(lines) == 4
    summary = tmp_path / "summary.md"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "GITHUB_STEP_SUMMARY": str(summary)}
    for line in lines:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", line],
            cwd=project,
            env={**environment, "MLFLOW_TRACKING_URI": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "roc_auc" in summary.read_text()
    assert (project / "decision.json").is_file()
