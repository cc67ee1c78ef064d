"""`mlops tune worker`: take part in the search of a project, on this machine or another one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.config.load import load_project
from mlops_cli.config.paths import CONFIG, FEATURES_PLAN, FEATURES_TABLE
from mlops_cli.config.project import Project
from mlops_cli.progress import QUIET, Progress
from mlops_cli.stages.tune import JOURNALS, shared_search
from mlops_cli.tuning import open_searcher
from mlops_cli.tuning.base import Changed

_LOOK = 1.0  # seconds between two looks whether the features are there


@dataclass(frozen=True, slots=True)
class TuneWorkerResult:
    """How many trials the search has, and how many of them this worker took steps of."""

    trials: int
    taken: int


def tune_worker(project: Project, *, progress: Progress = QUIET) -> TuneWorkerResult:
    """Take steps of the project's search until it is over; wait where none has begun.

    It is the search of these features, this `mlops.yaml` and these versions of the libraries;
    nothing is written here. Raises `UsageError` where `tune.storage` names no database, what
    `tune` raises before and in its search, and `EnvironmentFault` where the database is gone.
    """
    while True:
        _wait_for_features(project.root, progress)
        before = _stamps(project.root)
        root = project.root

        def stale(before: object = before, root: Path = root) -> bool:
            return _stamps(root) != before

        plan, objective = shared_search(project, progress=progress, stale=stale)
        try:
            found = open_searcher().search(
                plan, objective, project.cache / JOURNALS, progress=progress
            )
        except Changed:
            project = load_project(project.root)
            continue
        return TuneWorkerResult(len(found.trials), len(found.trials) - found.resumed)


def _wait_for_features(root: Path, progress: Progress) -> None:
    told = False
    while not all((root / name).exists() for name in (FEATURES_TABLE, FEATURES_PLAN)):
        if not told:
            progress.log(f"{FEATURES_TABLE} is not there: waiting for `mlops featurize`")
            told = True
        time.sleep(_LOOK)


def _stamps(root: Path) -> tuple[object, ...]:
    """What tells whether a file of the project was written since."""
    files = [root / name for name in (CONFIG, FEATURES_TABLE, FEATURES_PLAN)]
    found = [file.stat() if file.exists() else None for file in files]
    return tuple(s and (s.st_mtime_ns, s.st_size) for s in found)
