"""`governance/erased.jsonl`: which object of DVC was written again as which; in git, appended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from mlops_cli.config.paths import ERASED


def read_erased(root: Path) -> dict[str, str]:
    """The objects (md5, 32 hex digits) by what they were: the last one, where that went on."""
    try:
        lines = (root / ERASED).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    steps: dict[str, str] = {}
    for line in lines:
        try:
            said = json.loads(line)
            steps[str(said["old"])] = str(said["new"])
        except (ValueError, KeyError, TypeError):
            continue  # a mark of a merge, or what a killed process left of its line
    return {old: _last(steps, old) for old in steps}


def record_erased(root: Path, old: str, new: str) -> None:
    """Append a line, on disk when this returns; nothing where it stands there."""
    if read_erased(root).get(old) is not None:
        return
    file = root / ERASED
    file.parent.mkdir(parents=True, exist_ok=True)
    begin = b"" if not file.exists() or file.read_bytes().endswith(b"\n") else b"\n"
    if file.exists() and not file.stat().st_size:
        begin = b""
    with file.open("ab") as lines:
        lines.write(begin + json.dumps({"new": new, "old": old}, sort_keys=True).encode() + b"\n")
        lines.flush()
        os.fsync(lines.fileno())


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A file of DVC's with the new names; sizes are left out where a name changed."""
    lines: list[str] = []
    changed = False
    for line in text.splitlines(keepends=True):
        key, _, value = line.strip().lstrip("- ").partition(": ")
        if line.lstrip().startswith("- "):
            changed = False
        if key == "md5" and value in names:
            line, changed = line.replace(value, names[value]), True
            if lines and lines[-1].strip().lstrip("- ").startswith("size: "):
                lines.pop()
        elif key == "size" and changed:
            continue
        lines.append(line)
    return "".join(lines)


def _last(steps: Mapping[str, str], old: str) -> str:
    seen = {old}
    while (new := steps.get(old)) is not None and new not in seen:
        seen.add(new)
        old = new
    return old
