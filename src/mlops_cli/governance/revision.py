"""What git keeps of a project: a file as another revision has it, and what was not committed."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlops_cli.errors import UsageError

_PATIENCE = 30.0  # seconds


def commit_of(root: Path, revision: str) -> str:
    """The commit, in 40 hex digits, that `revision` names in the project's repository.

    Raises `UsageError` where git knows no such commit.
    """
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    found = _git(root, *asked)
    if found is None:
        raise UsageError(
            f"git knows no revision {revision!r} in {root}",
            hint="fetch it first, such as: git fetch origin main",
        )
    return found.decode().strip()


def committed(root: Path, revision: str, path: str) -> bytes | None:
    """The file `path`, relative to the folder `root`, as committed; None where it is not there."""
    return _git(root, "show", "--end-of-options", f"{revision}:./{path}")


def uncommitted(root: Path, paths: Sequence[str]) -> tuple[str, ...]:
    """Those of `paths`, relative to `root`, that are not as HEAD has them; without git none."""
    changed = []
    for path in paths:
        if _git(root, "status", "--porcelain", "--", path):
            changed.append(path)
    return tuple(changed)


def _git(root: Path, *command: str) -> bytes | None:
    """What git printed; None where it failed, or there is no git."""
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
