"""Versions of the model: tagged where they were fitted on the subject, buried with its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError
from mlops_cli.governance.candidate import provenance
from mlops_cli.pipeline.erasure.base import Found, Place, Search
from mlops_cli.pipeline.erasure.burial import BURY, burial, bury
from mlops_cli.tables.without_rows import is_value
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import TOMBSTONE

_OF_ROWS = "1.0"  # the format of bundles whose golden rows are rows of the data
TAG = "erased"  # a version's tag: a subject that it was fitted on was erased


class Versions:
    """By the digest of the features that a version was fitted on, which its provenance has.

    One whose bundle holds a row of the subject, of the old format, becomes a tombstone.
    """

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        return [f"versions in the registry at {open_tracker(project).address}"]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        if not search.fitted and not search.values:
            return []
        tracker, found = open_tracker(search.project), []
        for version in tracker.versions():
            if TOMBSTONE in version.tags:
                continue
            try:
                bundle = open_bundle(tracker.fetch(version.digest))
                made, held = provenance(bundle), rows_held(bundle, search.values)
            except MlopsError as e:
                found.append(Found(f"the version {version.version}", 0, None, e.message))
                continue
            if held:
                found += burial(search.project, tracker, bundle, held)
            if held or made.get("data_digest") in search.fitted:
                search.models.append(version.digest)
                task = {"kind": "tag", "digest": version.digest}
                found.append(Found(f"the version {version.version}", 0, task))
        return found

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        if task["kind"] == BURY:
            bury(project, task)
            return
        tracker = open_tracker(project)
        known = {v.digest: v for v in tracker.versions()}
        version = known.get(task["digest"])
        if version is not None and TAG not in version.tags:
            tracker.tag(version, TAG, "a subject that it was fitted on was erased")


def rows_held(bundle: Bundle, rows: Sequence[Mapping[str, str]]) -> int:
    """How many golden rows have every value that one of these rows (text by column) has.

    Of bundles whose golden rows are rows of the data: of others it would be chance.
    """
    if bundle.manifest.format != _OF_ROWS:
        return 0
    names = [i.name for i in bundle.manifest.inputs if i.source == "event"]
    whole = [row for row in rows if names and row.keys() >= set(names)]
    return sum(
        any(all(_same(golden.inputs.get(name), row[name]) for name in names) for row in whole)
        for golden in (bundle.golden() if whole else ())
    )


def _same(value: object, text: str) -> bool:
    return not text.strip() if value is None else is_value(value, text)


def open_place() -> Place:
    """The place."""
    return Versions()
