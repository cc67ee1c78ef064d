"""How many processors this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """The number of processors that this process may run on, at least 1."""
    if hasattr(os, "sched_getaffinity"):  # Linux: what a container or a batch system leaves us
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
