"""A thread that brings closed segments to object storage, and removes each when it is there."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Protocol

from mlops_cli._locks import take
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving import segments

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two looks for closed segments
LONGEST = 60.0  # seconds between two tries where the storage does not answer
_LOCK = "upload.lock"
_FAREWELL = 5.0  # seconds that the end of a process waits for what it uploads
_TOLD = 60.0


class Store(Protocol):
    """Where segments go."""

    def put(self, name: str, file: Path) -> None:
        """Store a file whole or not at all, also where it is there; raises `EnvironmentFault`."""

    def sizes(self) -> dict[str, int]:
        """The bytes of each that is stored, by name; raises `EnvironmentFault`."""

    def get(self, name: str, file: Path) -> None:
        """Write one to a file; raises `EnvironmentFault`."""


class Uploader:
    """Of all processes with one folder one uploads at a time; another goes on when it dies.

    A segment's name is the object's, so that one which was uploaded, and whose process died before
    it removed the file, is uploaded again to the same place.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._lock: int | None = None
        self._told = float("-inf")
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log upload", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Try once more, and end; what is left is for the next process."""
        self._ends.set()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        wait = EVERY
        while not self._ends.wait(wait):
            wait = EVERY if self._look() else min(2 * wait, LONGEST)
        self._look()
        if self._lock is not None:
            os.close(self._lock)

    def _look(self) -> bool:
        """Upload what is closed, the oldest first; whether the storage took it."""
        try:
            if self._is_mine():
                for path in segments.closed(self._folder):
                    self._store.put(path.name, path)
                    path.unlink(missing_ok=True)
        except (EnvironmentFault, OSError) as e:
            now = time.monotonic()
            if now - self._told >= _TOLD:
                self._told = now
                log.warning("the log is kept, and uploaded later: %s", e)
            return False
        return True

    def _is_mine(self) -> bool:
        if self._lock is None and self._folder.is_dir():
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            if take(lock):
                self._lock = lock
            else:
                os.close(lock)
        return self._lock is not None
