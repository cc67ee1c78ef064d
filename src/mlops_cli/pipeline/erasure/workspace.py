"""The project's own files: raw tables, what was rejected of them, and the features."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlops_cli._files import write_bytes
from mlops_cli.config.paths import FEATURES_PLAN, FEATURES_TABLE, REJECTED, REJECTS
from mlops_cli.config.project import Project
from mlops_cli.pipeline.dvc_data import md5_of
from mlops_cli.pipeline.erasure.base import Found, Place, Search
from mlops_cli.pipeline.erasure.tables import (
    data_digest,
    features_task,
    parts_with,
    rejected_task,
    rewrite,
    rows_of,
    table_task,
)

LINES = "lines"  # of a task: a file of text loses lines
_COMES_AGAIN = (
    "what still stands there comes again where `mlops ingest --since` asks for it or its file "
    "changes: delete it there, too"
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
            going, files = parts_with(search, root / table)
            if files:
                numbers[table] = going
            for file, own in files:
                inside = file.resolve().is_relative_to(root.resolve())
                inside = inside or _of_cache(search.project, file)
                name = file.relative_to(root).as_posix()
                task = _task(name, file, table_task(own)) if inside else None
                found.append(Found(table, len(own), task, None if inside else _ELSEWHERE))
        found += _of_source(search, rows=bool(numbers))
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
        if task["kind"] == LINES:
            _without_lines(project, task)
        else:
            rewrite(project, task)


def _of_source(search: Search, *, rows: bool) -> Iterator[Found]:
    """Records of the source that were set aside, and what the source itself may bring again."""
    data, root = search.project.config.data, search.project.root
    if data.source is None:
        return
    name = f"{REJECTS}/{data.name}.ndjson"
    numbers = []
    if (file := root / name).is_file():
        word = re.compile(rf"(?<!\w){re.escape(search.subject.value)}(?!\w)")
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        numbers = [n for n, line in enumerate(lines) if word.search(_text_of(line))]
        if numbers:
            task = {"kind": LINES, "numbers": numbers}
            yield Found(name, len(numbers), _task(name, file, task))
    if rows or numbers:
        yield Found(f"the source of {data.table}", 0, None, _COMES_AGAIN)


def _text_of(line: str) -> str:
    """What a line of JSON holds, as text: a name with an umlaut may be written by escapes."""
    try:
        return json.dumps(json.loads(line), ensure_ascii=False)
    except ValueError:
        return line


def _without_lines(project: Project, task: Mapping[str, Any]) -> None:
    file = project.root / task["file"]
    if not file.is_file() or md5_of(file) != task["md5"]:
        return
    going = set(task["numbers"])
    lines = file.read_bytes().splitlines(keepends=True)
    write_bytes(file, b"".join(line for n, line in enumerate(lines) if n not in going))


def open_place() -> Place:
    """The place."""
    return Workspace()


def _task(name: str, file: Path, task: Mapping[str, Any]) -> dict[str, Any]:
    return {**task, "file": name, "md5": md5_of(file)}


def _of_cache(project: Project, file: Path) -> bool:
    """Whether a link leads into DVC's cache, wherever that is."""
    return file.is_symlink() and "files/md5" in file.resolve().as_posix()
