"""Where an image comes from, for its labels: the repository and the commit, as git says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def origin(root: Path) -> dict[str, str]:
    """The OCI labels `source` and `revision` of the project in `root`; those that git knows.

    A password or token in the remote's URL does not get into the label.
    """
    found = {
        "org.opencontainers.image.source": _without_login(
            _git(root, "config", "remote.origin.url")
        ),
        "org.opencontainers.image.revision": _git(root, "rev-parse", "--verify", "HEAD"),
    }
    return {label: value for label, value in found.items() if value}


def _git(root: Path, *command: str) -> str:
    try:
        said = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:  # no git here
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def _without_login(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # whatever stands there, it is no URL: better no label than a secret
        return ""
    if not parts.netloc:  # git@example.com:team/project, or a path
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
