"""A worker's side of its candidate's process: started, asked, given up and replaced.

Nothing here ever waits for it but by a callback: what it owes is bounded in number, size and time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from mlops_cli.serving.rollouts.company import EVERY, Company, Turn
from mlops_cli.serving.rollouts.messages import Frames, framed, read_told
from mlops_cli.serving.split import LISTED, Asked, Told
from mlops_cli.serving.versions import Versions
from mlops_cli.serving.workers import STEADY, backoff

log = logging.getLogger(__name__)

QUEUE = 256  # requests that it may owe an answer
BYTES = 32 * 1024 * 1024  # that they may have together
SHARE = 30  # of `limits.timeout`, what one of them may take: 1 s of 30
SHORTEST = 0.1  # seconds that it has at the least
START = 120.0  # seconds that it has to load and to prove its bundle
_REAP = 0.02
_REST = 40  # times what its work took that it is not measured again
PATIENCE = 10.0  # seconds of it that a service which starts waits for
TELL = 60.0  # seconds between two lines that say how it fails
_GONE, _LATE, _FULL, _DOWN = (
    "CandidateGone",
    "CandidateTimeout",
    "CandidateBusy",
    "CandidateDown",
)


class Asking(Protocol):
    """Who asked, and is told once."""

    def told(self, said: Told, way: float, *, more: bool) -> None:
        """It answered, `way` seconds after it was asked; `timed` follows where there is `more`."""

    def timed(self, said: Told | None, beside: Turn | float | None) -> None:
        """What its work takes, to be held to the champion's in a turn, or to the seconds that the
        champion works on the same list; None: that is not known."""

    def lost(self, kind: str, refused: Told | None = None) -> None:
        """It did not: it is gone, too late, raised, or `refused` what it was asked for."""


class _Owed(NamedTuple):
    asking: Asking
    sent: float
    size: int


class CandidateProcess(asyncio.Protocol):
    """The process that holds a bundle, while it is wanted: replaced when it ends.

    `proven` is whether it has reproduced its golden rows once; `fault` is why it has not. The
    champion is the default of `versions`, and its inputs are no fault: see `EventDecoder`.
    """

    def __init__(
        self,
        bundle: Path,
        digest: str,
        limit: float,
        environment: Mapping[str, str],
        versions: Versions,
    ) -> None:
        inputs = versions.default.bundle.manifest.inputs
        self._also = [i.name.encode(errors="replace") for i in inputs]
        self._company = Company(versions)
        self.bundle = bundle
        self.digest = digest
        self.proven = False
        self.fault: str | None = None
        self._limit = max(SHORTEST, limit / SHARE)
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._owed: dict[int, _Owed] = {}
        self._untimed: dict[int, tuple[Asking, Turn | Asked]] = {}
        self._time_at = 0.0
        self._size = 0
        self._number = 0
        self._up = False
        self._begun = 0.0
        self._failures = 0
        self._wanted = True
        self._changed = asyncio.Event()
        self._said: dict[str, int] = {}
        self._told_at = float("-inf")
        self._watch: asyncio.TimerHandle | None = None
        self._waiting: list[bytes] = []

    # -- its life

    async def start(self, patience: float = START) -> None:
        """Start it; returns when it has proven its bundle, has failed to, or takes so long."""
        self._begin()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), patience)
        if not self.proven and self.fault is None and patience >= START:
            self.fault = f"it did not load within {START:.0f} s"

    async def close(self) -> None:
        """End it when it has answered what it owes, or cannot."""
        end = time.monotonic() + self._limit
        while self._owed and time.monotonic() < end:
            await asyncio.sleep(0.01)
        self.end()

    def end(self) -> None:
        """End it at once."""
        self._wanted = False
        self._kill(_GONE)

    def _begin(self) -> None:
        if not self._wanted:
            return
        ours, its = socket.socketpair()
        command = [sys.executable, "-m", "mlops_cli.serving.rollouts.candidate"]
        options = {"bundle": self.bundle, "digest": self.digest, "fd": its.fileno()}
        options["worker"] = os.getpid()
        command += [f"--{name}={value}" for name, value in options.items()]
        self._begun = time.monotonic()
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(self._environment),
                pass_fds=(its.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        except OSError as e:
            ours.close()
            self._gone(f"it cannot be started: {e.strerror}")
            return
        finally:
            its.close()
        ours.setblocking(False)
        self._socket = ours
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._connect(ours))
        task.add_done_callback(lambda t: t.cancelled() or t.exception())

    async def _connect(self, ours: socket.socket) -> None:
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]  # of a socket
        """Wait for its hello, but not for ever."""
        self._transport = transport
        transport.write(framed(Asked(0, self._also)))
        self._frames = Frames()
        process = self._process
        loop = asyncio.get_running_loop()
        loop.call_later(START, lambda: self._late_start(process))
        if not self._wanted:
            self._kill(_GONE)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, or ends."""
        self._transport = self._socket = None
        self._reap()

    def _late_start(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is self._process and not self._up and process is not None:
            self.fault = self.fault or f"it did not load within {START:.0f} s"
            self._kill(_LATE)

    def _kill(self, kind: str) -> None:
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()
        self._fail_all(kind)
        self._up = False

    def _reap(self) -> None:
        process = self._process
        if process is None:
            return
        process.kill()  # a closed socket is no life
        code = process.poll()
        if code is None:  # to give much memory back takes a while
            asyncio.get_running_loop().call_later(_REAP, self._reap)
            return
        self._process = None
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._gone(f"its process ended ({how})")

    def _gone(self, why: str) -> None:
        self._up = False
        self._fail_all(_GONE)
        if not self._wanted:
            return
        now = time.monotonic()
        steady = now - self._begun > STEADY
        self._failures = 1 if steady else self._failures + 1
        wait = backoff(self._failures)
        if not self.proven:
            self.fault = self.fault or why
            wait = max(wait, 1.0)
        self._changed.set()
        log.error("the candidate %s: %s; it is started again", self.digest[:12], self.fault or why)
        asyncio.get_running_loop().call_later(wait, self._begin)

    # -- what it is asked

    @property
    def up(self) -> bool:
        """Whether it has proven its bundle and can be asked."""
        return self._up

    def full(self, size: int) -> bool:
        """Whether it owes too much to be asked for so many bytes more."""
        return len(self._owed) >= QUEUE or (bool(self._owed) and self._size + size > BYTES)

    def ask(self, asked: Asked, asking: Asking, *, alone: bool = False) -> str | None:
        """Ask it; `asking` is told in a later turn. Returns the kind of fault where it cannot be
        asked, and nobody is told. `alone`: no other request of the turn shares a call with it."""
        if not self._up:
            return self._note(_DOWN)
        size = sum(map(len, asked.bodies))
        if self.full(size):
            return self._note(_FULL)
        self._number = asked.number = self._number + 1
        now = time.perf_counter()
        self._owed[asked.number] = _Owed(asking, now, size)
        self._size += size
        if now >= self._time_at:
            self._time(asked, asking, alone=alone)
        if not self._waiting:
            loop = asyncio.get_running_loop()
            loop.call_soon(self.flush)
            if self._watch is None:
                self._watch = loop.call_later(self._limit, self._look)
        self._waiting.append(framed(asked))
        return None

    def _time(self, asked: Asked, asking: Asking, *, alone: bool) -> None:
        """Have its work on this be timed, if there is something that it can be held to."""
        if alone:
            asked.rows = LISTED
            self._untimed[asked.number] = asking, asked
        elif (turn := self._company.take(asked.bodies[0])) is not None:
            asked.rows = len(turn.rows)
            self._untimed[asked.number] = asking, turn
        else:
            return
        self._time_at = time.perf_counter() + EVERY

    def flush(self) -> None:
        """Send what it was asked in this turn."""
        if self._company.looks:
            self._company.look()
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._send(b"".join(waiting))

    def _send(self, content: bytes) -> None:
        """Send now: the transport would in a later turn, and has what does not fit."""
        if self._transport is None or self._socket is None:
            return
        sent = 0
        if not self._transport.get_write_buffer_size():
            with suppress(OSError):  # what ended is heard from the transport
                sent = self._socket.send(content)
        if sent < len(content):
            self._transport.write(content[sent:])

    def data_received(self, data: bytes) -> None:
        """Tell those who asked."""
        try:
            for content in self._frames.add(data):
                self._take(read_told(content))
        except ValueError as e:  # what it sends is no message of ours
            log.error("the candidate %s said what it cannot: %s", self.digest[:12], e)
            self._kill(_GONE)

    def _take(self, told: Told) -> None:
        if told.number == 0:
            self._hello(told)
            return
        owed = self._owed.pop(told.number, None)
        if owed is None:
            if (untimed := self._untimed.pop(told.number, None)) is not None:
                self._timed(told, *untimed)
            return
        self._size -= owed.size
        if told.error is not None and not told.refused:
            self._note(told.error, told.why)
        if told.error is not None:
            if self._untimed.pop(told.number, None) is not None:
                self._company.timed()
            owed.asking.lost(told.error, told if told.refused else None)
        else:
            way = time.perf_counter() - owed.sent
            owed.asking.told(told, way, more=told.number in self._untimed)

    def _timed(self, told: Told, asking: Asking, beside: Turn | Asked) -> None:
        """Measuring takes a small part of its time, however slow it is."""
        again = time.perf_counter() + _REST * (told.seconds + told.each)
        self._time_at = max(self._time_at, again)
        self._company.timed()
        if told.error is not None:
            asking.timed(None, None)
        elif isinstance(beside, Asked):
            asking.timed(told, self._company.list_takes(beside))
        else:
            asking.timed(told, beside)

    def _hello(self, told: Told) -> None:
        if told.error is not None:
            self.fault = told.why
            return  # it ends by itself
        self.proven = self._up = True
        self.fault = None
        self._changed.set()

    def _look(self) -> None:
        """Give it up where it owes an answer for too long."""
        self._watch = None
        if not self._owed:
            return
        oldest = next(iter(self._owed.values())).sent
        left = oldest + self._limit - time.perf_counter()
        if left > 0:
            self._watch = asyncio.get_running_loop().call_later(left, self._look)
            return
        log.error("the candidate %s owes an answer for %.1f s", self.digest[:12], self._limit)
        self._kill(_LATE)

    def _fail_all(self, kind: str) -> None:
        answered = [of for number, (of, _) in self._untimed.items() if number not in self._owed]
        self._untimed.clear()
        self._company.timed()
        for asking in answered:
            asking.timed(None, None)
        owed, self._owed, self._size = list(self._owed.values()), {}, 0
        self._waiting.clear()
        for one in owed:
            self._note(kind)
            one.asking.lost(kind)

    def _note(self, kind: str, why: str = "") -> str:
        """Count a fault for the log, which says at most once in `TELL` what they were."""
        self._said[kind] = self._said.get(kind, 0) + 1
        now = time.monotonic()
        if now - self._told_at >= TELL:
            self._told_at = now
            said = ", ".join(f"{name} ({n})" for name, n in self._said.items())
            self._said.clear()
            log.warning("the candidate %s failed: %s%s", self.digest[:12], said, why and f": {why}")
        return kind
