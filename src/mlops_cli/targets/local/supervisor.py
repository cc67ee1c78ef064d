"""The process behind a local deployment: it owns the listening socket and keeps a worker on it.

Started as `python -m mlops_cli.targets.local.supervisor` in `.mlops/local/`, where everything that
it reads and writes is. SIGHUP: a request waits (or was withdrawn). SIGTERM: end everything.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from mlops_cli.serving.workers import STEADY, backoff
from mlops_cli.targets.local.control import Control, State, Wanted
from mlops_cli.targets.local.log import cut, log
from mlops_cli.targets.local.worker import Worker, listen, start_worker

_TICK = 0.5  # seconds after which limits and the folder are looked at, if nothing happens


class Supervisor:
    """One worker that serves, at times one that is to follow it, and those that finish."""

    def __init__(self, control: Control, lock: int) -> None:
        self._control = control
        self._lock = lock
        self._serving: Worker | None = None
        self._candidate: Worker | None = None
        self._leaving: list[Worker] = []
        self._failures = 0
        self._restart_at: float | None = None
        self._asked = True
        self._deferred: Wanted | None = None
        self._ending = False
        self._since: str | None = None
        self._unpublished: State | None = None

    def run(self) -> None:
        """Serve until told to end, or until there is nothing to serve."""
        wake = self._catch_signals()
        while True:
            try:
                self._step()
            except OSError as e:  # a disk or a table of files that is full ends nothing that serves
                log(f"{e}")
            if not (self._serving or self._candidate or self._leaving):
                return
            self._wait(wake)

    def _step(self) -> None:
        if not self._control.holds(self._lock):
            self._ending = True  # the folder was deleted: nobody could ever stop us
        if self._ending:
            self._end()
        elif self._asked:
            self._asked = False
            self._begin(self._control.take())
        elif self._deferred:
            self._begin(self._deferred)
        if self._candidate:
            self._check(self._candidate)
        if self._serving:
            self._restart_if_dead(self._serving)
        self._reap()
        self._publish_state()
        cut(self._control.folder)

    def _begin(self, wanted: Wanted | None) -> None:
        self._drop_candidate()
        self._deferred = None
        if wanted is None:
            return
        try:
            listener = self._listener_for(wanted)
        except OSError as e:
            if e.errno == errno.EADDRINUSE and self._is_leaving(wanted):
                self._deferred = wanted
                return
            where = f"port {wanted.port} on {wanted.host}"
            self._publish(wanted, f"{where} cannot be used: {e.strerror or e}", _PORT_HINT)
            return
        try:
            self._candidate = start_worker(wanted, listener)
        except OSError as e:
            self._release(listener)
            self._publish(wanted, f"the server cannot be started: {e}")

    def _listener_for(self, wanted: Wanted) -> socket.socket:
        if self._serving and _address(self._serving.wanted) == _address(wanted):
            return self._serving.listener
        return listen(wanted.host, wanted.port)

    def _is_leaving(self, wanted: Wanted) -> bool:
        """Whether a server that was moved away from there may not have closed the port yet."""
        return any(_address(worker.wanted) == _address(wanted) for worker in self._leaving)

    def _check(self, candidate: Worker) -> None:
        reason = candidate.failure()
        if reason is not None:
            self._drop_candidate()
            self._publish(candidate.wanted, reason)
        elif candidate.ready:
            self._promote(candidate)

    def _promote(self, candidate: Worker) -> None:
        old, self._serving, self._candidate = self._serving, candidate, None
        self._failures, self._restart_at = 0, None
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        if old:
            self._retire(old, last=old.listener is not candidate.listener)
        self._publish(candidate.wanted)

    def _drop_candidate(self) -> None:
        candidate, self._candidate = self._candidate, None
        if candidate is None:
            return
        if candidate.failure() is None:  # it may answer somebody already
            shared = self._serving and self._serving.listener is candidate.listener
            self._retire(candidate, last=not shared)
            return
        candidate.kill()
        candidate.close()
        self._release(candidate.listener)

    def _release(self, listener: socket.socket) -> None:
        if not (self._serving and self._serving.listener is listener):
            listener.close()

    def _publish(self, asked: Wanted, reason: str | None = None, hint: str | None = None) -> None:
        serving = self._serving.wanted if self._serving else None
        self._unpublished = State(asked.request, serving, self._since, reason, hint)
        self._publish_state()

    def _publish_state(self) -> None:
        """Write the state; where the disk takes nothing it waits for the next step."""
        with suppress(OSError):
            if self._unpublished:
                self._control.publish(self._unpublished)
            self._unpublished = None

    def _restart_if_dead(self, worker: Worker) -> None:
        if (reason := worker.failure()) is not None and not worker.exited():
            log(f"the server of {worker.wanted.digest[:12]} is killed: {reason}")
            worker.kill()
        if not worker.exited():
            return
        now = time.monotonic()
        if self._restart_at is None:
            log(f"the server of {worker.wanted.digest[:12]} is gone: {_death(worker)}")
            self._failures = 1 if now - worker.started > STEADY else self._failures + 1
            self._restart_at = now + backoff(self._failures)
        if now >= self._restart_at:
            self._restart(worker)

    def _restart(self, worker: Worker) -> None:
        try:
            self._serving = start_worker(worker.wanted, worker.listener)
        except OSError as e:
            log(f"the server cannot be started: {e}")
            self._failures += 1
            self._restart_at = time.monotonic() + backoff(self._failures)
        else:
            worker.close()
            self._restart_at = None

    def _end(self) -> None:
        self._drop_candidate()
        if self._serving:
            self._retire(self._serving, last=True)
            self._serving = None

    def _retire(self, worker: Worker, *, last: bool) -> None:
        """Let it go; the `last` on its listener answers everybody in the queue and closes it."""
        worker.last = last
        if last:
            worker.listener.close()
        self._leaving.append(worker)

    def _reap(self) -> None:
        for worker in tuple(self._leaving):
            worker.end()
            if worker.exited():
                worker.close()
                self._leaving.remove(worker)

    def _wait(self, wake: int) -> None:
        timeout = _TICK
        if self._restart_at is not None:
            timeout = min(_TICK, max(0.0, self._restart_at - time.monotonic()))
        heard = self._candidate if self._candidate and not self._candidate.silent else None
        pipes = [heard.ready_pipe] if heard else []
        select.select([wake, *pipes], [], [], timeout)
        with suppress(BlockingIOError):
            os.read(wake, 4096)

    def _catch_signals(self) -> int:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        return reading

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._asked = True
        elif number != signal.SIGCHLD:
            self._ending = True


_PORT_HINT = "stop what uses it, or choose another one: mlops deploy --port N"


def _address(wanted: Wanted) -> tuple[str, int]:
    return wanted.host, wanted.port


def _death(worker: Worker) -> str:
    code = worker.process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def main() -> None:
    """Take the lock, let the starter go, and supervise; another supervisor is left in peace."""
    control = Control(Path())
    lock = control.hold()
    if lock is None:
        sys.exit("another supervisor holds the lock")
    if os.fork():
        os._exit(0)  # what started us need not wait, and keeps no child
    control.sign(lock)
    Supervisor(control, lock).run()


if __name__ == "__main__":
    main()
