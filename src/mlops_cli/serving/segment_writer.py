"""A thread that brings lines to disk, so that nobody who is answered waits for a disk."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.serving.segments import (
    Segment,
    asked_to_rotate,
    close_left,
    new_stem,
    new_token,
    remove_beyond,
)
from mlops_cli.serving.settings import Log

log = logging.getLogger(__name__)

WAITING = 32 * 1024 * 1024  # bytes that may wait for the disk; beyond it lines are dropped
TICK = 1.0  # seconds between two looks at the clock, and two times that the disk is told to keep
_TRIES = 5  # names of a new segment that are tried
_TOLD = 60.0  # seconds between two complaints
_FAREWELL = 10.0  # seconds that the end of a process waits for a disk

Done = Callable[[bool], object]


@dataclass(frozen=True, slots=True)
class _Chunk:
    content: Sequence[bytes]
    size: int
    lines: int
    done: Done | None


class SegmentWriter:
    """Writes segments of one kind; `put` never waits.

    `written` counts lines since the start. A line that was taken is on disk at once;
    the disk is told to keep it within `TICK`. No fault of the disk ends anything.
    """

    def __init__(self, folder: Path, kind: str, settings: Log) -> None:
        self.written = 0
        self._refused = 0  # of the thread that puts; `_lost` of the one that writes
        self._lost = 0
        self._taken = 0  # bytes
        self._done = 0
        self._folder = folder
        self._kind = kind
        self._settings = settings
        self._token = new_token()
        self._number = 0
        self._segment: Segment | None = None
        self._opened = 0.0
        self._dirty = False
        self._looked = 0.0
        self._told = float("-inf")
        self._queue: queue.SimpleQueue[_Chunk | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"{kind} log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were not written, or were removed for newer ones."""
        return self._refused + self._lost

    @property
    def busy(self) -> bool:
        """Whether something waits for the disk."""
        return self._taken != self._done

    def put(
        self, content: Sequence[bytes], size: int, lines: int, done: Done | None = None
    ) -> bool:
        """Take whole lines to be written; False where too many wait already, which is counted.

        `size` is that of all `content`, in bytes.

        `done` is called in the writer's thread, with whether they are on disk.
        """
        if self._taken - self._done > WAITING:
            self._refused += lines
            return False
        self._taken += size
        self._queue.put(_Chunk(content, size, lines, done))
        return True

    def close(self) -> None:
        """Write what waits, close the segment, and end."""
        self._queue.put(None)
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        self._make_folder()
        while True:
            try:
                chunk = self._queue.get(timeout=TICK)
            except queue.Empty:
                self._look()
                continue
            if chunk is None:
                break
            self._write(chunk)
            self._look()
        self._close()

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            self._complain(e)

    def _write(self, chunk: _Chunk) -> None:
        try:
            segment = self._segment or self._open()
            segment.write(b"".join(chunk.content))
        except OSError as e:
            self._lost += chunk.lines
            self._complain(e)
            written = False
        else:
            written = self._dirty = True
            self.written += chunk.lines
            if segment.size >= self._settings.rotate.size:
                self._close()
        self._done += chunk.size
        if chunk.done is not None:
            chunk.done(written)

    def _open(self) -> Segment:
        for _ in range(_TRIES):
            self._number += 1
            stem = new_stem(self._kind, self._token, self._number)
            with suppress(BlockingIOError):
                self._segment, self._opened = Segment(self._folder, stem), time.time()
                return self._segment
        # Who looks for what others left came between name and lock, each time.
        raise BlockingIOError(f"no segment can be opened in {self._folder}")

    def _look(self) -> None:
        """Once in `TICK`: what the clock asks, and what others left."""
        now = time.monotonic()
        if now - self._looked < TICK:
            return
        self._looked = now
        try:
            if self._segment and self._is_due(time.time()):
                self._close()
            if self._segment and self._dirty:
                self._segment.sync()
                self._dirty = False
            close_left(self._folder)
            self._lost += remove_beyond(self._folder, self._settings.max)
        except OSError as e:
            self._complain(e)

    def _is_due(self, now: float) -> bool:
        asked = asked_to_rotate(self._folder)
        # Other clocks wrote that file's time where the folder is on another machine.
        return now - self._opened >= self._settings.rotate.every or self._opened <= asked

    def _close(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.close()
            except OSError as e:  # it is left for who looks next
                self._complain(e)

    def _complain(self, why: OSError) -> None:
        now = time.monotonic()
        if now - self._told >= _TOLD:
            self._told = now
            log.warning("the log of %s in %s: %s", self._kind, self._folder, why)
