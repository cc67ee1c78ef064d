"""Does the registry in force know the model that DVC has recorded as registered?"""

from __future__ import annotations

from mlops_cli.config.paths import DECISION
from mlops_cli.config.project import Project
from mlops_cli.governance.champion import find_champion
from mlops_cli.governance.decision import read_decision
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION


def forget_foreign_decision(project: Project, *, first: bool = False) -> bool:
    """Remove `decision.json` where it was made with another registry; whether it was.

    DVC sees files, not which registry is in force. With the file gone it runs `register` again,
    as after a change. A registry that knows the model, champion or not, has decided on it. Raises
    `EnvironmentFault` where the registry has no champion, unless `first` does without one: the
    file is what knows that there was one.
    """
    decision = read_decision(project.root)
    if decision is None:
        return False
    tracker = open_tracker(project)
    champion = tracker.alias(CHAMPION) if first else find_champion(project, tracker)
    if champion is not None and champion.digest == decision.digest:
        return False
    if any(version.digest == decision.digest for version in tracker.versions()):
        return False
    (project.root / DECISION).unlink(missing_ok=True)
    return True
