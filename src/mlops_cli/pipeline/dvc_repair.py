"""DVC writes two of its files in place; a process killed in between leaves them unreadable."""

from __future__ import annotations

import json
import os
from pathlib import Path

from mlops_cli._files import nearest
from mlops_cli.config.document import read_yaml
from mlops_cli.config.paths import CACHE, DVC_LOCK
from mlops_cli.errors import UsageError

RWLOCK = "tmp/rwlock"  # in `.dvc`
_ASIDE = f"{CACHE}/unreadable"


def is_cut(root: Path) -> bool:
    """Whether `dvc.lock` ends in the middle of a line, which DVC would not mind."""
    path = root / DVC_LOCK
    return path.is_file() and not path.read_bytes().endswith(b"\n")


def set_unreadable_files_aside(root: Path) -> dict[str, str]:
    """Move the files that DVC can no longer read to `.mlops/unreadable/`; where each of them is.

    Only who holds DVC's own lock may ask: else a file may just be being written. Nothing is lost
    but the knowledge that stages are up to date: they run again, or DVC restores their outputs.
    A `dvc.lock` with the marks of a merge is the user's to fix.
    """
    folder = nearest(root, ".dvc") or root / ".dvc"
    whole = {DVC_LOCK: _lock, os.path.relpath(folder / RWLOCK, root): _rwlock}
    cut = [name for name, is_whole in whole.items() if not is_whole(root / name)]
    unreadable = {name: f"{_ASIDE}/{Path(name).name}" for name in cut}
    for name, aside in unreadable.items():
        (root / _ASIDE).mkdir(parents=True, exist_ok=True)
        (root / name).replace(root / aside)
    return unreadable


def _lock(path: Path) -> bool:
    if not path.is_file():
        return True
    try:
        content = read_yaml(path)
    except UsageError:
        return b"<<<<<<<" in path.read_bytes()
    if not isinstance(content, dict) or "schema" not in content or is_cut(path.parent):
        return False
    stages = content.get("stages") or {}
    return isinstance(stages, dict) and all(_entry(entry) for entry in stages.values())


def _entry(entry: object) -> bool:
    """Whether an entry of `dvc.lock` has a command, and paths with hashes."""
    if not isinstance(entry, dict) or "cmd" not in entry:
        return False
    files = [*(entry.get("deps") or ()), *(entry.get("outs") or ())]
    return all(isinstance(file, dict) and file.get("path") for file in files)


def _rwlock(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False
