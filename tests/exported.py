"""What the tests of exports for clusters are about: a spec, a project, sections of a rollout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.targets.kubernetes.manifests import Spec

DIGEST = "3fa9c1d20b7e" + "0" * 52
BEFORE = "81c07e55d1aa"  # the version that is live
PROMETHEUS = "http://prometheus.monitoring:9090"
BY_KEDA = {
    "by": "keda",
    "kafka": {"brokers": ["kafka-0:9092", "kafka-1:9092"], "topic": "weather", "group": "scorer"},
}
ROLLOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"strategy": "canary", "steps": [0.5, 20], "judge": {"inconclusive": "rollback"}},
    {"strategy": "ab", "steps": [30]},
    {"strategy": "blue_green"},
)


def spec(**changes: Any) -> Spec:
    """The version 3fa9c1d20b7e of the project `rain`, with changes of `deploy.kubernetes`."""
    settings = {"namespace": "models", "image": "rain:1", "prometheus": PROMETHEUS} | changes
    serve = {"MLOPS_SERVE_LOG__DIR": "/log", "MLOPS_SERVE_LIMITS__IN_FLIGHT": "64"}
    return Spec("rain", DIGEST, "rain:1", KubernetesConfig.model_validate(settings), serve)


def project(root: Path, **kubernetes: Any) -> Project:
    """The same project's configuration."""
    data = {"table": "data/raw/rain.parquet", "target": "rain"}
    deploy = {"target": "kubernetes", "kubernetes": kubernetes}
    raw = {"project": "rain", "task": "binary", "data": data, "deploy": deploy}
    return Project(root, check_config(raw, file="mlops.yaml"))


def repository(root: Path) -> Project:
    """The project in a repository with a remote, whose URL has a password."""
    root.mkdir()
    for command in (
        ["init", "-q", "-b", "main"],
        ["remote", "add", "origin", "https://me:s3cret@git.example.org/team/rain.git"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return project(root)
