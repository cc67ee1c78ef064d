"""The tracker of a folder, by the settings that a test gives."""

from __future__ import annotations

from pathlib import Path

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import Tracker


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


def crown(project: Project, name: str, rows: int) -> str:
    """Make a bundle of so many rows in that folder of the project the champion; its digest."""
    bundles.write(project.root / name, n=rows)
    bundle, tracker = open_bundle(project.root / name), open_tracker(project)
    tracker.set_alias("champion", tracker.register(bundle), expected=tracker.alias("champion"))
    return bundle.digest
