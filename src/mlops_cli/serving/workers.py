"""Several workers on one socket: forked from a process that has loaded the model, replaced when
they die.

What is loaded before the fork they share, page by page, until one of them writes to it; a worker
is there some milliseconds after it is asked for.
"""

from __future__ import annotations

import ctypes
import logging
import os
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NoReturn

from mlops_cli.serving.sockets import LAST_OWNER, ONE_STOP

log = logging.getLogger(__name__)

LONGEST_WAIT = 30.0  # seconds between two starts of what keeps dying
STEADY = 10.0  # seconds after which one that died counts as one that had worked
SILENCE_LIMIT = 20.0  # seconds without a sign of life after which a worker is given up
_TICK = 0.5
_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGTERM, signal.SIGINT, LAST_OWNER)
_READY, _ALIVE = b"r", b"."

Work = Callable[[int, Callable[[], None], Callable[[], None]], None]
"""What a worker does until it is told to leave: it gets its number, from 0, and what to call when
it accepts, and every second."""


def backoff(failures: int) -> float:
    """Seconds to wait before the next start: 0 after the first death, then 0.2, 0.4, ... 30."""
    return 0.0 if failures <= 1 else float(min(LONGEST_WAIT, 0.1 * 2 ** min(failures - 1, 20)))


@dataclass(slots=True)
class _Worker:
    """A process in its place, and the pipe by which it is heard; `silence` is in seconds."""

    process: int
    pipe: int
    started: float = field(default_factory=time.monotonic)
    looked: float = field(default_factory=time.monotonic)
    ready: bool = False
    silence: float = 0.0

    def hear(self) -> None:
        """Read what it said since; a machine that stood still is no silence of the worker."""
        now = time.monotonic()
        self.silence += min(1.0, now - self.looked)
        self.looked = now
        with suppress(BlockingIOError):
            if said := os.read(self.pipe, 4096):
                self.silence = 0.0
                self.ready |= _READY in said


class Pool:
    """`count` workers, from the start until all have left.

    SIGTERM and SIGINT end them, a second one later than `ONE_STOP` at once. `shared`: the socket
    was inherited, and only LAST_OWNER says that nobody else takes what waits in its queue.
    """

    def __init__(self, count: int, work: Work, listener: socket.socket, *, shared: bool) -> None:
        self._work = work
        self._listener = listener
        self._shared = shared
        self._workers: list[_Worker | None] = [None] * count
        self._failures = [0] * count
        self._due = [0.0] * count
        self._stops: list[signal.Signals] = []
        self._told: float | None = None  # when it was first told to end
        self._wake = os.pipe()

    def run(self, on_ready: Callable[[], None], on_second: Callable[[], None]) -> None:
        """Keep the workers; `on_ready` is called once, when all of them accept."""
        self._catch_signals()
        ready, second = False, 0.0
        while self._told is None or any(self._workers):
            for place in range(len(self._workers)):
                self._look(place)
            if not ready and all(w is not None and w.ready for w in self._workers):
                ready = True
                on_ready()
            if ready and time.monotonic() - second >= 1.0:
                second = time.monotonic()
                on_second()
            while self._stops:
                self._stop(self._stops.pop(0))
            self._wait()

    def _look(self, place: int) -> None:
        worker = self._workers[place]
        if worker is None:
            if self._told is None and time.monotonic() >= self._due[place]:
                self._workers[place] = self._start(place)
            return
        worker.hear()
        if worker.silence > SILENCE_LIMIT:
            log.error("worker %d gave no sign of life for %.0f s", place, worker.silence)
            os.kill(worker.process, signal.SIGKILL)
        process, status = os.waitpid(worker.process, os.WNOHANG)
        if process:
            self._gone(place, worker, os.waitstatus_to_exitcode(status))

    def _gone(self, place: int, worker: _Worker, code: int) -> None:
        os.close(worker.pipe)
        self._workers[place] = None
        if self._told is not None:
            return
        now = time.monotonic()
        steady = now - worker.started > STEADY
        self._failures[place] = 1 if steady else self._failures[place] + 1
        self._due[place] = now + backoff(self._failures[place])
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        log.error("worker %d is gone (%s), and is replaced", place, how)

    def _start(self, place: int) -> _Worker:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        parent = os.getpid()
        with warnings.catch_warnings():
            # Libraries have threads of their own; the child uses none of what those may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os.close(reading)
            self._be(place, writing, parent)
        os.close(writing)
        return _Worker(child, reading)

    def _be(self, place: int, pipe: int, parent: int) -> NoReturn:
        """The child: the work, and no way back into what the parent was doing."""
        code = 1
        try:
            self._forget(parent)
            self._work(place, lambda: _say(pipe, _READY), lambda: _say(pipe, _ALIVE))
            code = 0
        except Exception:
            log.exception("worker %d", place)
        finally:
            os._exit(code)

    def _forget(self, parent: int) -> None:
        """Take back what a child has of its parent: handlers, pipes, and a life without it."""
        signal.set_wakeup_fd(-1)
        for number in (*_STOPS, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for end in (*self._wake, *(w.pipe for w in self._workers if w is not None)):
            os.close(end)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    def _stop(self, number: signal.Signals) -> None:
        now = time.monotonic()
        if self._told is not None and now > self._told + ONE_STOP and number != LAST_OWNER:
            number = signal.SIGKILL
        elif not self._shared:
            number = LAST_OWNER  # nobody else has this socket
        self._told = self._told or now
        self._listener.close()  # whoever leaves last lets nobody wait behind a closed door
        for worker in self._workers:
            if worker is not None:
                os.kill(worker.process, number)  # one that ended is no other's number before `wait`

    def _wait(self) -> None:
        pipes = [w.pipe for w in self._workers if w is not None and not w.ready]
        due = [d for d, w in zip(self._due, self._workers, strict=True) if w is None]
        soonest = min((d - time.monotonic() for d in due), default=_TICK)
        select.select([self._wake[0], *pipes], [], [], max(0.0, min(_TICK, soonest)))
        with suppress(BlockingIOError):
            os.read(self._wake[0], 4096)

    def _catch_signals(self) -> None:
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOPS:
            signal.signal(number, lambda number, _: self._stops.append(signal.Signals(number)))


def _say(pipe: int, what: bytes) -> None:
    with suppress(OSError):  # nobody reads any more: the parent is gone, and so are we soon
        os.write(pipe, what)
