"""Locks between the processes of this machine; the kernel lets go of one when its holder dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from mlops_cli._poll import wait_until
from mlops_cli.errors import EnvironmentFault


def take(file: int, *, shared: bool = False) -> bool:
    """Lock the open file of that descriptor, for as long as it is open; whether that was free."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(path: Path, *, otherwise: EnvironmentFault, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`; raises `otherwise` where another one has it for so long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        if not wait_until(partial(take, file.fileno()), seconds=seconds, step=0.05):
            raise otherwise
        yield
