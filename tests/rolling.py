"""A small project whose champion answers, and a newer version that is to earn its traffic."""

from __future__ import annotations

import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bundles
import projects
from mlops_cli.actions.deploy import deploy
from mlops_cli.actions.rollout import RolloutResult, rollout
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import append, known_entries
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.targets import open_target
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, ModelVersion
from servers import free_port

RULES = [{"metric": "error_rate", "worse_by": 0.5}]


@dataclass(frozen=True)
class Pair:
    """`old` is deployed; `new` was made the champion since."""

    project: Project
    old: ModelVersion
    new: ModelVersion

    def ask(self, requests: int = 100) -> Counter[str]:
        """The versions that answer so many requests."""
        running = open_target(self.project.config.deploy.target, self.project).status()
        assert running is not None
        event = self.events()[0]
        connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)
        found: Counter[str] = Counter()
        for _ in range(requests):
            connection.request("POST", "/v1/predict", event)
            answer = json.loads(connection.getresponse().read())
            found[str(answer["version"])] += 1
        connection.close()
        return found

    def events(self) -> list[bytes]:
        """What the versions may be asked."""
        golden = open_bundle(self.project.root / "old").golden()
        return [json.dumps(row.inputs).encode() for row in golden]

    def status(self) -> RolloutResult:
        """What `mlops rollout status` tells."""
        return rollout(self.project)

    def tick(self) -> RolloutResult:
        """What `mlops rollout tick` does."""
        return rollout(self.project, "tick")

    def champion(self) -> str:
        """The digest that the registry's alias names."""
        found = open_tracker(self.project).alias(CHAMPION)
        assert found is not None
        return found.digest

    def tags(self) -> dict[str, str]:
        """Those of the new version."""
        versions = open_tracker(self.project).versions()
        return dict(next(v for v in versions if v.digest == self.new.digest).tags)

    def entries(self, action: str = "rollout") -> list[Entry]:
        """The log's, in order."""
        return [e for e in in_order(known_entries(self.project.root)) if e.action == action]

    def file(self) -> Path:
        """The document."""
        return self.project.cache / "local/rollout.json"


def canary(**others: Any) -> dict[str, Any]:
    """A quick one."""
    judge = {"min_requests": 10, "rules": RULES}
    return {"strategy": "canary", "steps": [40, 100], "hold": "1s", "judge": judge} | others


@contextmanager
def pair(root: Path, rollout: dict[str, Any], **deploying: Any) -> Iterator[Pair]:
    """Both versions, the old one deployed; what runs is stopped at the end."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    raw = {
        "project": f"rolling-{worker}" if "target" in deploying else "delays",
        "task": "binary",
        "data": {"table": "data/raw/x.parquet", "target": "late"},
        "deploy": {"port": free_port(), "rollout": rollout} | deploying,
    }
    (root / "mlops.yaml").write_text(json.dumps(raw))  # which is YAML, too
    project = Project(projects.with_database(root), check_config(raw, file="mlops.yaml"))
    old = _crown(project, "old", 60)
    deploy(project)
    new = _crown(project, "new", 80)
    try:
        yield Pair(project, old, new)
    finally:
        deploy(project, stop=True)


def _crown(project: Project, name: str, rows: int) -> ModelVersion:
    tracker, subject = open_tracker(project), {}
    bundles.write(project.root / name, n=rows)
    version, before = tracker.register(open_bundle(project.root / name)), tracker.alias(CHAMPION)
    tracker.set_alias(CHAMPION, version, expected=before)
    subject = {"digest": version.digest} | ({"before": before.digest} if before else {})
    append(project.root, Draft("register", "done", subject), copies=tracker)
    return version
