"""Where an image comes from, for its labels: the repository and the commit, as git says."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mlops_cli import _git


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


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # whatever stands there, it is no URL: better no label than a secret
        return ""
    if not parts.netloc:  # git@example.com:team/project, or a path
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
