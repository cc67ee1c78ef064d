"""A version whose bundle holds a row of the subject loses its files, and stays a tombstone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlops_cli.audit.live import live
from mlops_cli.audit.log import every_entry
from mlops_cli.bundle.manifest import digest_of, short
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.paths import IMAGE, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, GateError
from mlops_cli.packaging import open_builder
from mlops_cli.packaging.image import repository
from mlops_cli.pipeline.dvc_data import md5_of, stores
from mlops_cli.pipeline.erasure.base import Found
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, Tracker

BURY = "bury"
_WHY = "its golden rows held a row of a subject that was erased"
_PUSHED = "images of it that were pushed to {} hold a row of the subject: delete them there"


def burial(project: Project, tracker: Tracker, bundle: Bundle, rows: int) -> Iterator[Found]:
    """The task that deletes the bundle's files, and what of it is out of reach."""
    where, left = f"the version {bundle.version}", []
    images: list[str] = []
    named = repository(bundle.manifest.project)
    try:
        images = open_builder().images_of(named, bundle.version)
    except EnvironmentFault as e:
        why = f"{e.message}; an image of it there, {named}:{bundle.version}, would stay"
        left.append(Found(f"images of {bundle.version}", 0, None, why))
    if registry := project.config.deploy.registry:
        left.append(Found(f"images of {bundle.version}", 0, None, _PUSHED.format(registry)))
    task = {"kind": BURY, "digest": bundle.digest, "golden": _golden(bundle), "images": images}
    yield Found(where, rows, task, why_it_waits(project, tracker, bundle.digest))
    yield from left


def why_it_waits(project: Project, tracker: Tracker, digest: str) -> str | None:
    """Why the files of the version are still needed; None where they may go."""
    champion, version = tracker.alias(CHAMPION), short(digest)
    then = "train and promote another one, deploy it, and run this command again"
    if champion is not None and champion.digest == digest:
        return f"it holds a row of the subject and is the champion: {then}"
    on = [
        part.target for part in live(every_entry(project.root, tracker)) if part.version == version
    ]
    return f"it holds a row of the subject and answers on {', '.join(on)}: {then}" if on else None


def bury(project: Project, task: Mapping[str, Any]) -> None:
    """Delete its files in the registry, `.mlops/`, the work tree, DVC's stores and the engine.

    Raises `GateError` where the version is the champion or answers somewhere.
    """
    tracker, digest = open_tracker(project), str(task["digest"])
    if (why := why_it_waits(project, tracker, digest)) is not None:
        raise GateError(why)
    version = next((v for v in tracker.versions() if v.digest == digest), None)
    if version is not None:
        tracker.bury(version, _WHY)
    for copy in list(_copies(project, digest)):
        shutil.rmtree(copy, ignore_errors=True)
    if project.dvc_folder:
        for store in stores(project.root)[0]:
            if store.holds(task["golden"]):
                store.drop(task["golden"])
    if task["images"]:
        open_builder().forget(task["images"])


def _golden(bundle: Bundle) -> str:
    return md5_of(bundle.path / "golden.jsonl")


def _copies(project: Project, digest: str) -> Iterator[Path]:
    """Folders of this project with that bundle: fetched ones, and what its stages wrote."""
    for top in (project.cache, project.root / MODEL, project.root / IMAGE):
        for manifest in top.rglob("manifest.json"):
            if digest_of(manifest.read_bytes()) == digest:
                yield top if top.name == IMAGE else manifest.parent
