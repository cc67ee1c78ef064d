"""The tracker of a folder, by the settings that a test gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bundles
import projects
from mlops_cli.actions.deploy import deploy
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, ModelVersion, Tracker
from servers import free_port


def open_at(root: Path, project: str = "demo", **tracking: str) -> Tracker:
    """The tracker of the project in `root` whose section `tracking` is the one given."""
    data = {"table": "data.csv", "target": "late"}
    raw = {"project": project, "task": "binary", "data": data, "tracking": tracking}
    return open_tracker(Project(root, check_config(raw, file="mlops.yaml")))


def crown_model(root: Path) -> str:
    """Make the bundle `model-6f6e65` the champion; here, where a new process finds it."""
    made = open_bundle(root / "model-6f6e65")
    tracker = open_at(root)
    version = tracker.register(made)
    tracker.set_alias("champion", version, expected=tracker.alias("champion"))
    return f"{version.number} {tracker.fetch(made.digest)}"


@contextmanager
def on_a_free_port(root: Path) -> Iterator[Project]:
    """A project in `root` that can be deployed; what runs of it is stopped at the end."""
    data = {"table": "data/raw/x.parquet", "target": "late"}
    raw = {"project": "delays", "task": "binary", "data": data, "deploy": {"port": free_port()}}
    made = Project(projects.with_database(root), check_config(raw, file="mlops.yaml"))
    yield made
    deploy(made, stop=True)


def crown(project: Project, name: str, rows: int) -> ModelVersion:
    """Make a bundle of so many rows in that folder of the project the champion."""
    bundles.write(project.root / name, n=rows)
    tracker = open_tracker(project)
    version = tracker.register(open_bundle(project.root / name))
    tracker.set_alias(CHAMPION, version, expected=tracker.alias(CHAMPION))
    return version
