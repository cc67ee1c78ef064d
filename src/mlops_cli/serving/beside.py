"""A thread that asks the model for many rows while this one makes what the log keeps of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from mlops_cli.cores import cores

T = TypeVar("T")
SLOW = 0.0005  # seconds until the other thread has begun, from which on the cores are others'
REST = 64  # times that this one then does both


class Beside:
    """One thread, started when it is first of use.

    Libraries of models let go of the interpreter while they predict. Nobody spins; on cores that
    others keep busy, where a thread that was woken waits for its turn, this one does both for a
    while.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._begun, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._said: Any = None
        self._fault: BaseException | None = None
        self._rest = 0
        self._alone = cores() < 2

    def both(self, work: Callable[[], T], here: Callable[[], object]) -> T:
        """What `work` returns or raises, which the other thread does while this one does `here`."""
        if self._rest or self._alone:
            self._rest = max(0, self._rest - 1)
            here()
            return work()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="model", daemon=True)
            self._thread.start()
        asked = time.perf_counter()
        self._asked.put(work)
        self._begun.acquire()  # it would wait for the interpreter otherwise, while this one has it
        if time.perf_counter() - asked > SLOW:
            self._rest = REST
        try:
            here()
        finally:
            self._done.acquire()
        said, fault, self._said, self._fault = self._said, self._fault, None, None
        if fault is not None:
            raise fault
        return said  # type: ignore[no-any-return]  # what `work` returned

    def _run(self) -> None:
        while True:
            work = self._asked.get()
            self._begun.release()
            try:
                self._said = work()
            except BaseException as e:  # noqa: BLE001  # raised where it was asked for
                self._fault = e
            del work
            self._done.release()
