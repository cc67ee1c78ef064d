"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """The number of processors that this process may run on, at least 1.

    On Linux neither more than its affinity nor than the share that a container gives it.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return min(len(os.sched_getaffinity(0)), quota(CGROUPS))


def quota(cgroups: Path, me: Path = OWN_GROUPS) -> int:
    """The whole processors that control groups leave this process."""
    found = [
        share for folder in groups("cpu", cgroups, me) if (share := _share(folder)) is not None
    ]
    return max(1, math.ceil(min(found))) if found else os.cpu_count() or 1


def groups(controller: str, cgroups: Path, me: Path = OWN_GROUPS) -> list[Path]:
    """The folders of the control groups that this process is in, and of those around them.

    Of version 2 below `cgroups`; of version 1, and where both are mounted, below its folder of the
    controller. Inside a container the path may be the host's, and the group is mounted as the top
    itself.
    """
    try:
        lines = me.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    return [
        folder
        for number, controllers, path in (line.split(":", 2) for line in lines if ":" in line)
        if (top := _top(cgroups, number, controllers, controller)) is not None
        for folder in _levels(top, path.strip("/"))
    ]


def _top(cgroups: Path, number: str, controllers: str, wanted: str) -> Path | None:
    if number == "0" and not controllers:
        return cgroups
    # `cpu` is a link to `cpu,cpuacct` where that is what is mounted
    return cgroups / wanted if wanted in controllers.split(",") else None


def _levels(top: Path, own: str) -> list[Path]:
    folder = top / own
    return [folder, *folder.parents][: len(Path(own).parts) + 1]


def _share(folder: Path) -> float | None:
    try:
        most, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            most = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    try:
        return None if most in ("max", "-1") else int(most) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
