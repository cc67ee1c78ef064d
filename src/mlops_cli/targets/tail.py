"""The end of a log file, and what is written to it from then on."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

LINES = 1000  # so many of the last lines are shown
_STEP = 0.2  # seconds between two looks


def tail(file: Path, *, follow: Callable[[], bool]) -> Iterator[str]:
    """The last lines of `file`, then new ones for as long as `follow()` is true.

    A line that is not ended yet waits for its end, or for the end of it all.
    """
    with file.open("rb") as log:
        recent = deque(log, maxlen=LINES)
        rest = recent.pop() if recent and not recent[-1].endswith(b"\n") else b""
        yield from (_text(line) for line in recent)
        going_on = True
        while going_on:
            going_on = follow()  # asked before reading, so the last words are read
            if log.tell() > os.fstat(log.fileno()).st_size:
                log.seek(0)  # it was cut, and begins anew
            *lines, rest = (rest + log.read()).split(b"\n")
            yield from (_text(line) for line in lines)
            if going_on and not lines:
                time.sleep(_STEP)
        if rest:
            yield _text(rest)


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r\n")
