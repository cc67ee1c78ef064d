"""The log of a local deployment: lines that cost nothing to lose, in a file of bounded size."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

LOG = "server.log"
KEPT = "server.log.1"  # what stood in the log before it was cut
LIMIT = 16 * 2**20  # bytes
_STDERR = 2


def log(message: str) -> None:
    """Write a line of the supervisor, with its time; a disk that takes none loses the line."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with suppress(OSError):
        os.write(_STDERR, f"{now} supervisor: {message}\n".encode(errors="replace"))


def cut(folder: Path) -> None:
    """Begin the log anew where it is longer than `LIMIT`, its former lines kept beside it.

    The file stays the same one, which supervisor and workers have open for appending. On a full
    disk the lines are not kept: room is what is missing there.
    """
    file = folder / LOG
    with suppress(OSError):
        if file.stat().st_size <= LIMIT:
            return
        with suppress(OSError):
            shutil.copyfile(file, folder / KEPT)
        os.truncate(file, 0)
