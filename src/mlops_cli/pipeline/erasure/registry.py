"""Versions of the model that were fitted on the subject: named and tagged, not changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError
from mlops_cli.governance.candidate import provenance
from mlops_cli.pipeline.erasure.base import Found, Place, Search
from mlops_cli.tracking import open_tracker

TAG = "erased"  # a version's tag: a subject that it was fitted on was erased


class Versions:
    """By the digest of the features that a version was fitted on, which its provenance has."""

    def names(self, project: Project) -> list[str]:
        """See `Place.names`."""
        return [f"versions in the registry at {open_tracker(project).address}"]

    def find(self, search: Search) -> list[Found]:
        """See `Place.find`."""
        if not search.fitted:
            return []
        tracker, found = open_tracker(search.project), []
        for version in tracker.versions():
            try:
                made = provenance(open_bundle(tracker.fetch(version.digest)))
            except MlopsError as e:
                found.append(Found(f"the version {version.version}", 0, None, e.message))
                continue
            if made.get("data_digest") in search.fitted:
                search.models.append(version.digest)
                task = {"kind": "tag", "digest": version.digest}
                found.append(Found(f"the version {version.version}", 0, task))
        return found

    def erase(self, project: Project, task: Mapping[str, Any]) -> None:
        """See `Place.erase`."""
        tracker = open_tracker(project)
        known = {v.digest: v for v in tracker.versions()}
        version = known.get(task["digest"])
        if version is not None and TAG not in version.tags:
            tracker.tag(version, TAG, "a subject that it was fitted on was erased")


def open_place() -> Place:
    """The place."""
    return Versions()
