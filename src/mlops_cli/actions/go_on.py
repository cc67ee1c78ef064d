"""`mlops train --update`: the next training goes on from the champion."""

from __future__ import annotations

from mlops_cli.config.document import set_value
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.governance.champion import champion_of
from mlops_cli.tracking import open_tracker


def go_on_from_champion(project: Project) -> Project:
    """Write the champion's version into `train.update`, which DVC sees; the project with it.

    Raises `UsageError` where there is no champion.
    """
    champion = champion_of(project, open_tracker(project))
    set_value(project.root / CONFIG, "train", "update", champion.version)
    return load_project(project.root)
