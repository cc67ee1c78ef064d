"""Changes of what all workers of a service share: one at a time, whichever worker makes it."""

from __future__ import annotations

import asyncio
import fcntl
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from mlops_cli.serving.requests import RequestError

_STEP = 0.01  # seconds between two looks


class Turns:
    """Made before workers are forked; a turn ends with the process that has it."""

    def __init__(self) -> None:
        self._lock, name = tempfile.mkstemp()
        Path(name).unlink()
        self._here = asyncio.Lock()

    @asynccontextmanager
    async def one(self, what: str, patience: float) -> AsyncIterator[None]:
        """A turn to change `what`, over all workers.

        Raises `RequestError` (503) where another one has it for longer than so many seconds.
        """
        async with self._here:
            if not await until(self._take, patience):
                raise RequestError(503, f"another change of {what} takes too long")
            try:
                yield
            finally:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def _take(self) -> bool:
        with suppress(BlockingIOError, PermissionError):
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


async def until(done: Callable[[], bool], patience: float) -> bool:
    """Whether it is done within so many seconds."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(_STEP)
    return True
