"""The command export: a version's files for a cluster, and what the log is told of any export."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import projects
from command_line import Mlops

SYSTEMS = ("helm", "argo-rollouts", "istio", "keda", "argocd", "kserve")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = projects.copy(projects.finished("parcels"), tmp_path / "p")
    configure(made, namespace="models", registry="registry.example.org/team")
    return made


def configure(root: Path, **kubernetes: Any) -> None:
    file = root / "mlops.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["deploy"] = {"kubernetes": kubernetes}
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


def told(root: Path) -> list[dict[str, Any]]:
    """The entries of exports."""
    lines = (root / "governance/audit.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["action"] == "export"]


def test_what_was_written_is_recorded_and_once(root: Path, mlops: Mlops) -> None:
    out = root / "deploy/chart"
    done = mlops(root, "export", "helm", str(out), "--json", code=0).result
    (entry,) = told(root)
    champion = mlops(root, "status", "--json", code=0).result["champion"]["digest"]
    assert entry["outcome"] == "done"
    assert entry["subject"] == {"system": "helm", "folder": "deploy/chart", "digest": champion}
    assert entry["evidence"] == {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in done["written"]
    }
    values = yaml.safe_load((out / "values.yaml").read_text(encoding="utf-8"))
    assert values["digest"] == champion
    assert values["image"].startswith(f"registry.example.org/team/parcels:{champion[:12]}-")
    mlops(root, "export", "helm", str(out), code=0)
    assert len(told(root)) == 1
    mlops(root, "export", "grafana", str(root / "g"), code=0)
    assert told(root)[-1]["subject"] == {"system": "grafana", "folder": "g"}
    assert mlops(root, "audit", "--verify", "--json", code=0).result["verified"] is not False


def test_what_is_refused_writes_nothing_and_says_what_to_do(root: Path, mlops: Mlops) -> None:
    out = str(root / "out")
    assert "prometheus: http://" in mlops(root, "export", "argo-rollouts", out, code=2).err
    assert "by: keda" in mlops(root, "export", "keda", out, code=2).err
    assert "git remote add origin" in mlops(root, "export", "argocd", out, code=2).err
    unknown = mlops(root, "export", "helm", out, "--version", "0123456789ab", code=2)
    assert "0123456789ab" in unknown.err
    configure(root, namespace="models")
    assert "registry" in mlops(root, "export", "kserve", out, code=2).err
    assert not Path(out).exists()
    assert told(root) == []


def test_remarks_are_shown(root: Path, mlops: Mlops) -> None:
    done = mlops(root, "export", "istio", str(root / "out"), code=0)
    assert "virtual-service.yaml" in done.out
    assert "is the only version that is known to serve" in done.out
