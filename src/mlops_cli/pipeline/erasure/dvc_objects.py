"""DVC's cache and remotes: every version of the data, also of commits that are long past."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlops_cli._files import write_text
from mlops_cli.config.paths import DVC_LOCK
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault
from mlops_cli.pipeline.dvc_data import Store, md5_of, stores
from mlops_cli.pipeline.erasure.base import Found, Place, Search
from mlops_cli.pipeline.erasure.erased import read_erased, record_erased, renamed
from mlops_cli.pipeline.erasure.history import History, history_of
from mlops_cli.pipeline.erasure.tables import (
    data_digest,
    features_task,
    in_whole,
    rejected_task,
    rows_of,
    scratch,
    table_task,
    written_without,
)
from mlops_cli.tables.without_rows import Numbers, count_rows, ending_of

FOLDER = ".dir"  # ends the name of an object that lists those of a folder
NAMES, LISTING = "names", "listing"


class DvcObjects:
    """No object is changed: a new one is written, noted in `erased.jsonl`, the old one goes."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        found, lost = _stores(project)
        return [f"{name}, in every version" for name in (*(s.name for s in found), *lost)]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`; an object of several stores is looked into once."""
        found, lost = _stores(search.project)
        if not found:
            return []
        history = history_of(search.project, _runs(found[0]))
        with scratch(search.project.temporary) as folder:
            work = _Finding(search, found, folder, failed=lost)
            work.look(history)
            names = [Found("names of DVC", 0, {"kind": NAMES})] if work.tasks else []
            return [*work.found(), *names]

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        if task["kind"] == NAMES:
            _rename(project)
            return
        store = next((s for s in _stores(project)[0] if s.name == task["store"]), None)
        old = task["md5"]
        if store is None or not store.holds(old):
            return
        with scratch(project.temporary) as folder:
            file = store.read(old, folder)
            if task["kind"] == LISTING:
                made = _listing(file, read_erased(project.root), folder)
                new = md5_of(made) + FOLDER
            else:
                made = written_without(file, task, folder)
                new = md5_of(made)
            if new == old:
                return
            store.put(new, made)
        record_erased(project.root, old, new)
        store.drop(old)


def open_place() -> Place:
    """The place."""
    return DvcObjects()


@dataclass(slots=True)
class _Finding:
    """What is found in the objects of some stores: a task and a number of rows by object."""

    search: Search
    stores: Sequence[Store]
    folder: Path
    tasks: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def look(self, history: History) -> None:
        """Look into tables first: what was made of one is told by its rows' numbers."""
        listings = self._folders(history)
        numbers: dict[str, Numbers] = {}
        for md5 in history.tables:
            if (file := self._read(md5)) is not None and len(going := rows_of(self.search, file)):
                numbers[md5] = going
                self.tasks[md5] = len(going), table_task(going)
        for md5, children in listings.items():
            if (whole := self._whole(children, numbers)) is not None:
                numbers[md5] = whole
        for md5, tables in history.rejected.items():
            going_by = {path: numbers[m] for path, m in tables.items() if m in numbers}
            if going_by and (file := self._read(md5)) is not None:
                self._add(md5, rejected_task(file, going_by))
        for made in history.features:
            self._features(made.features, made.plan, numbers.get(made.table))
        self._others(history)
        for md5, children in listings.items():
            if any(child in self.tasks for child in children):
                self.tasks[md5] = 0, {"kind": LISTING}

    def _whole(self, children: Sequence[str], numbers: Mapping[str, Numbers]) -> Numbers | None:
        """The numbers of the rows in a table that is a folder, of those in its parts.

        None where it holds none, or a part cannot be read.
        """
        if numbers.keys().isdisjoint(children):
            return None
        parts = []
        for md5 in children:
            if (file := self._read(md5)) is None or ending_of(file) != ".parquet":
                return None
            parts.append((count_rows(file), numbers.get(md5, np.empty(0, np.int64))))
        return in_whole(parts)

    def _features(self, md5: str, plan: str, going: Numbers | None) -> None:
        file = self._read(md5)
        if file is None:
            return
        if going is not None:
            found = features_task(file, going)
        else:  # the main table has no such column, or is not here any more
            here = rows_of(self.search, file)
            found = len(here), table_task(here) if len(here) else None
        self._add(md5, found)
        if found[0] and plan and (known := self._read(plan)) is not None:
            self.search.fitted.add(data_digest(file, known))

    def _add(self, md5: str, found: tuple[int, dict[str, Any] | None]) -> None:
        rows, task = found
        if task is not None and md5 not in self.tasks:
            self.tasks[md5] = rows, task

    def _others(self, history: History) -> None:
        """Objects of this machine that no commit and no run names: of runs that nobody kept."""
        seen = {*history.tables, *history.rejected, *(f.features for f in history.features)}
        for store in self.stores:
            if store.local is None:
                continue
            for md5 in store.every():
                if md5 in seen or md5.endswith(FOLDER) or (file := self._read(md5)) is None:
                    continue
                seen.add(md5)
                if len(going := rows_of(self.search, file)):
                    self.tasks[md5] = len(going), table_task(going)

    def _folders(self, history: History) -> dict[str, list[str]]:
        """Tables in folders that DVC keeps as one; their listings, each with its objects."""
        listings: dict[str, list[str]] = {}
        for md5 in [m for m in history.tables if m.endswith(FOLDER)]:
            path = history.tables.pop(md5)
            if (file := self._read(md5)) is not None:
                entries = json.loads(file.read_bytes())
                entries.sort(key=lambda entry: str(entry["relpath"]))
                listings[md5] = [entry["md5"] for entry in entries]
                history.tables |= {e["md5"]: f"{path}/{e['relpath']}" for e in entries}
        return listings

    def _read(self, md5: str) -> Path | None:
        for store in self.stores:
            if store.name in self.failed:
                continue
            try:
                if store.holds(md5):
                    return store.read(md5, self.folder)
            except EnvironmentFault as e:
                self.failed[store.name] = e.message
        return None

    def found(self) -> Iterator[Found]:
        """For each store what it has of the objects, listings last."""
        last = sorted(self.tasks, key=lambda md5: md5.endswith(FOLDER))
        for name, why in self.failed.items():
            yield Found(name, 0, None, why)
        for store in (s for s in self.stores if s.name not in self.failed):
            for md5 in last:
                if store.holds(md5):
                    rows, task = self.tasks[md5]
                    yield Found(store.name, rows, {**task, "md5": md5, "store": store.name})


def _stores(project: Project) -> tuple[list[Store], dict[str, str]]:
    return stores(project.root) if project.dvc_folder else ([], {})


def _runs(cache: Store) -> Path:
    return (cache.local or Path()).parents[1] / "runs"


def _listing(file: Path, names: Mapping[str, str], folder: Path) -> Path:
    """A folder's listing with the new names, as DVC itself writes one."""
    entries = [{**e, "md5": names.get(e["md5"], e["md5"])} for e in json.loads(file.read_bytes())]
    made = folder / "listing"
    made.write_text(json.dumps(entries, sort_keys=True), encoding="utf-8")
    return made


def _rename(project: Project) -> None:
    """Have the work tree name the new objects; what DVC remembers of runs on the old ones goes."""
    names = read_erased(project.root)
    files = [p for p in project.root.rglob("*.dvc") if p.is_file() and ".dvc" not in p.parts[:-1]]
    for file in [*files, project.root / DVC_LOCK]:
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            if (new := _outs_renamed(text, names)) != text:
                write_text(file, new)
    for store in _stores(project)[0]:
        if store.local is not None:
            for run in (store.local.parents[1] / "runs").glob("*/*/*"):
                if any(md5 in run.read_text(encoding="utf-8", errors="replace") for md5 in names):
                    run.unlink(missing_ok=True)


def _outs_renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with what stages and `.dvc` files write renamed.

    What stages read keeps its name, so that the next run makes everything anew.
    """
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.strip() in ("outs:", "deps:"):
            parts.append([])
        parts[-1].append(line)
    return "".join(
        renamed("".join(part), names) if part and part[0].strip() == "outs:" else "".join(part)
        for part in parts
    )
