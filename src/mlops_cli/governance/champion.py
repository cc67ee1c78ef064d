"""Who is the champion, or why there is none."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.audit.graph import champion as last_champion
from mlops_cli.audit.log import known_entries
from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.paths import MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.governance.decision import decided_champion
from mlops_cli.tracking.address import own_database
from mlops_cli.tracking.base import CHAMPION, ModelVersion, Tracker
from mlops_cli.tracking.cache import bundle_folder, holds, keep_bundle


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

    Where the project's own registry has lost it, it is the one of the log, if its bundle is here;
    it has no number then. Raises `EnvironmentFault` where there was one, and the registry in force
    does not know it.
    """
    champion = tracker.alias(CHAMPION)
    if champion is None and (lost := lost_champion(project, tracker.address)):
        if (kept := kept_champion(project)) is None:
            raise lost
        keep_bundle(project.root, kept)
        return ModelVersion(kept.digest, number="")
    return champion


def kept_champion(project: Project) -> Bundle | None:
    """The last champion's bundle, where it is here and the registry is the project's own.

    A clone has the log by git and the bundle by DVC, and of such a registry nothing.
    """
    root, was = project.root, _last_champion(project.root)
    if was is None or own_database(root, project.config.tracking.uri) is None:
        return None
    here = (folder for folder in (bundle_folder(root, was), root / MODEL) if holds(folder, was))
    return next(map(open_bundle, here), None)


def lost_champion(project: Project, address: str) -> EnvironmentFault | None:
    """The error for a registry at `address` that has no champion although there was one.

    None where there never was one: an empty registry is where every project begins, and a lost
    one must not look like it.
    """
    was = _last_champion(project.root)
    if was is None:
        return None
    back = "bring its files back"
    if kept_champion(project) is not None:
        back = "make one anew with it: `mlops register`"
    elif own_database(project.root, project.config.tracking.uri) is not None:
        back = "bring its bundle back (`dvc pull`), which can be deployed then"
    return EnvironmentFault(
        f"the registry at {address} has no champion, but {short(was)} was one",
        hint=f"set MLFLOW_TRACKING_URI to the registry that knows it, or {back}, or start without "
        "it: `mlops register --first`",
    )


def _last_champion(root: Path) -> str | None:
    return last_champion(known_entries(root)) or decided_champion(root)
