"""Where an image comes from, for its labels: repository, commit and its time, as git says."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mlops_cli import _git
from mlops_cli.errors import UsageError

EPOCH = "SOURCE_DATE_EPOCH"  # https://reproducible-builds.org/specs/source-date-epoch/


def origin(root: Path) -> dict[str, str]:
    """The OCI labels `source` and `revision` of the project in `root`; those that git knows.

    A password or token in the remote's URL does not get into the label.
    """
    found = {
        "org.opencontainers.image.source": _without_login(
            _git.setting(root, "remote.origin.url") or ""
        ),
        "org.opencontainers.image.revision": _git.head(root),
    }
    return {label: value for label, value in found.items() if value}


def created(root: Path) -> dict[str, str]:
    """The OCI label `created`: the time that `SOURCE_DATE_EPOCH` says, or else the commit's.

    Never that of the build: the same inputs have the same label. Nothing where neither is known.
    Raises `UsageError` for a variable that holds no such time.
    """
    said = os.environ.get(EPOCH)
    try:
        seconds = int(said) if said else _git.head_time(root)
        if seconds is None:
            return {}
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as e:
        raise UsageError(
            f"{EPOCH} is no number of seconds since 1970",
            hint=f"unset {EPOCH}, or: export {EPOCH}=$(git log -1 --format=%ct)",
        ) from e
    return {"org.opencontainers.image.created": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # whatever stands there, it is no URL: better no label than a secret
        return ""
    if not parts.netloc:  # git@example.com:team/project, or a path
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
