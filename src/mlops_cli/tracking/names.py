"""What names a version: an alias, its digest, the registry's number, or `models:/NAME/...`."""

from __future__ import annotations

import re

from mlops_cli.errors import UsageError
from mlops_cli.tracking.base import ModelVersion, Tracker

MODEL_URI = re.compile(r"models:/(?P<model>[^/@]+)[@/](?P<version>[^/@]+)")


def find_version(tracker: Tracker, name: str) -> ModelVersion | None:
    """The version of this alias, of 12 or all digits of its digest, or of the registry's number."""
    if not re.fullmatch(r"[0-9a-f]{12,64}|\d+", name):
        return tracker.alias(name)
    return next((v for v in tracker.versions() if name in (v.number, v.version, v.digest)), None)


def version_named(tracker: Tracker, name: str, *, model: str) -> ModelVersion:
    """As `find_version`; raises `UsageError` where the registry does not have it."""
    if found := find_version(tracker, name):
        return found
    raise UsageError(
        f"the registry at {tracker.address} has no version or alias {name} of {model}",
        hint="`mlops status` names the champion, `mlops audit` all that there were",
    )
