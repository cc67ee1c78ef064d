"""The project's own files: raw tables, what was rejected of them, and the features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE, REJECTED
from mlops_cli.config.project import Project
from mlops_cli.pipeline.dvc_data import md5_of
from mlops_cli.pipeline.erasure.base import Found, Place, Search
from mlops_cli.pipeline.erasure.tables import (
    data_digest,
    features_task,
    rejected_task,
    rewrite,
    rows_of,
    table_task,
)

_ELSEWHERE = "it is a link to a file outside the project: erase the subject there"


class Workspace:
    """Files are replaced by a rename: who reads one has the old or the new one, whole."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        return [*project.tables, REJECTED, FEATURES_TABLE]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        root, found = search.project.root, []
        numbers = {}
        for table in search.project.tables:
            file = root / table
            if file.is_file() and len(going := rows_of(search, file)):
                numbers[table] = going
                inside = file.resolve().is_relative_to(root.resolve())
                inside = inside or _of_cache(search.project, file)
                task = _task(table, file, table_task(going)) if inside else None
                found.append(Found(table, len(going), task, None if inside else _ELSEWHERE))
        rejected, features = root / REJECTED, root / FEATURES_TABLE
        if numbers and rejected.is_file():
            rows, task = rejected_task(rejected, numbers)
            if task:
                found.append(Found(REJECTED, rows, _task(REJECTED, rejected, task)))
        if features.is_file():
            found += self._features(search, features, numbers)
        return found

    def _features(
        self, search: Search, file: Path, numbers: Mapping[str, np.ndarray[Any, Any]]
    ) -> list[Found]:
        going = numbers.get(search.project.config.data.table)
        if going is not None:
            rows, task = features_task(file, going)
        else:
            here = rows_of(search, file)
            rows, task = len(here), table_task(here) if len(here) else None
        plan = search.project.root / FEATURES_PLAN
        if rows and plan.is_file():
            search.fitted.add(data_digest(file, plan))
        return [Found(FEATURES_TABLE, rows, _task(FEATURES_TABLE, file, task))] if task else []

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        rewrite(project, task)


def open_place() -> Place:
    """The place."""
    return Workspace()


def _task(name: str, file: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    return {**task, "file": name, "md5": md5_of(file)}


def _of_cache(project: Project, file: Path) -> bool:
    """Whether a link leads into DVC's cache, wherever that is."""
    return file.is_symlink() and "files/md5" in file.resolve().as_posix()
