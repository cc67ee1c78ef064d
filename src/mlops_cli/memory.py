"""How much memory this process may use."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mlops_cli.cores import CGROUPS, OWN_GROUPS, groups


def memory() -> int:
    """The bytes of memory that this process may use: the machine's, or what a container gives."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *limits(CGROUPS)])


def limits(cgroups: Path, me: Path = OWN_GROUPS) -> list[int]:
    """The bytes that control groups leave this process, of each level that says so.

    Version 1 says a number near 2^63 where there is no limit.
    """
    found = []
    for folder in groups("memory", cgroups, me):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # `max` is no number
                found.append(int((folder / name).read_text(encoding="ascii")))
    return found
