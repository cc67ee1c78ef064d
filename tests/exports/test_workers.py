"""A Job of workers: what it runs, as whom, and from where it has the database's address."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mlops_cli.config.project import Project
from mlops_cli.config.sections.tune import TuneConfig
from mlops_cli.errors import UsageError
from mlops_cli.exports.workers import workers_files
from observations import project

IMAGE = "example.org/rain-ops:1"


def shared(root: Path, storage: str | None = "${TUNE_URL}") -> Project:
    where = project(root)
    tune = TuneConfig.model_validate({"storage": storage})
    return replace(where, config=where.config.model_copy(update={"tune": tune}))


def test_each_pod_is_a_worker_with_the_address_from_a_secret(tmp_path: Path) -> None:
    made = workers_files(shared(tmp_path), IMAGE)
    (job,) = YAML(typ="safe").load_all(made.files["workers.yaml"])
    assert (job["kind"], job["spec"]["parallelism"]) == ("Job", 4)
    pod = job["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["command"] == ["mlops", "tune", "worker"]
    asked = {e["name"]: e.get("valueFrom", {}).get("secretKeyRef") for e in container["env"]}
    assert asked["TUNE_URL"] == {"name": "rain-tune", "key": "TUNE_URL"}
    assert "the Secret rain-tune has to hold TUNE_URL" in made.remarks[0]


def test_a_cluster_takes_the_job(tmp_path: Path) -> None:
    file = tmp_path / "workers.yaml"
    file.write_text(workers_files(shared(tmp_path), IMAGE).files["workers.yaml"])
    try:
        asked = ["kubectl", "apply", "--dry-run=server", "-f", str(file)]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no kubectl on this machine")
    if "connection refused" in done.stderr or "no configuration" in done.stderr:
        pytest.skip("no cluster answers")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("storage", "image", "said"),
    [
        (None, IMAGE, "names no database"),
        ("postgresql://host/tune", IMAGE, "a pod takes it from a Secret"),
        ("${TUNE_URL}", None, "needs an image"),
    ],
)
def test_what_is_missing_is_said(
    storage: str | None, image: str | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        workers_files(shared(tmp_path, storage), image)
