"""The tracker of a folder, by the settings that a test gives."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import Tracker


def open_at(root: Path, project: str = "demo", **tracking: str) -> Tracker:
    """The tracker of the project in `root` whose section `tracking` is the one given."""
    data = {"table": "data.csv", "target": "late"}
    raw = {"project": project, "task": "binary", "data": data, "tracking": tracking}
    return open_tracker(Project(root, check_config(raw, file="mlops.yaml")))
