"""Who is the champion, or why there is none."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.audit.graph import champion as last_champion
from mlops_cli.audit.log import known_entries
from mlops_cli.bundle.manifest import short
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.governance.decision import decided_champion
from mlops_cli.tracking.base import CHAMPION, ModelVersion, Tracker


def champion_of(
    project: Project, tracker: Tracker, *, hint: str = "make one with `mlops run`"
) -> ModelVersion:
    """The champion.

    Raises `UsageError`, with `hint`, where there never was one, and `EnvironmentFault` where the
    registry has lost it.
    """
    if champion := find_champion(project, tracker):
        return champion
    raise UsageError(f"{project.config.project} has no champion in {tracker.address}", hint=hint)


def find_champion(project: Project, tracker: Tracker) -> ModelVersion | None:
    """The champion; None where there never was one.

    Raises `EnvironmentFault` where there was one, and the registry in force does not know it.
    """
    champion = tracker.alias(CHAMPION)
    if champion is None and (lost := lost_champion(project.root, tracker.address)):
        raise lost
    return champion


def lost_champion(root: Path, address: str) -> EnvironmentFault | None:
    """The error for a registry at `address` that has no champion although there was one.

    None where there never was one: an empty registry is where every project begins, and a lost
    one must not look like it.
    """
    was = last_champion(known_entries(root)) or decided_champion(root)
    if was is None:
        return None
    return EnvironmentFault(
        f"the registry at {address} has no champion, but {short(was)} was one",
        hint="set MLFLOW_TRACKING_URI to the registry that knows it, bring its files back, or "
        "start anew with `mlops register --first`",
    )
