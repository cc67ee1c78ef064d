"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def cores() -> int:
    """The number of processors that this process may run on, at least 1.

    On Linux neither more than its affinity nor than the share that a container gives it.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return min(len(os.sched_getaffinity(0)), quota(_CGROUPS))


def quota(cgroups: Path, me: Path = Path("/proc/self/cgroup")) -> int:
    """The whole processors that control groups (version 2 below `cgroups`) leave this process."""
    try:
        lines = me.read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.cpu_count() or 1
    own = next((line[3:] for line in lines if line.startswith("0::")), "/").strip("/")
    folder = cgroups / own
    folders = [folder, *folder.parents][: len(Path(own).parts) + 1]
    found = [share for f in folders if (share := _share(f / "cpu.max")) is not None]
    return max(1, math.ceil(min(found))) if found else os.cpu_count() or 1


def _share(file: Path) -> float | None:
    try:
        most, period = file.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if most == "max" else int(most) / int(period)
