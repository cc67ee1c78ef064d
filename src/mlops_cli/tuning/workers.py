"""Threads that carry steps of trials on; what came of one is told in the searching thread alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from mlops_cli.tuning.base import Check

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T, Check], R]
Told = Callable[[T, R], None]


class GivenUp(BaseException):
    """The search ends with an error: what still runs breaks off."""


class Workers(Protocol):
    """Runs work on things; `told` is called by the thread that searches, in the things' order."""

    def each(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """Run `work` on every thing and return when all are told."""

    def begin(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """Begin; what is finished is told with a later call."""

    def finish(self) -> None:
        """Wait for what was begun."""


@contextmanager
def open_workers(number: int) -> Iterator[Workers]:
    """`number` threads, 1: the calling one. Whatever raises in the block ends what they do."""
    if number == 1:
        yield _Alone()
        return
    over = threading.Event()
    with ThreadPoolExecutor(number, thread_name_prefix="trial") as pool:
        try:
            yield _Side(pool, over)
        except BaseException:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


LATER: Any = object()
"""What work gives where another process does it just now."""
_LOOK = 0.2  # seconds between two looks whether it is done


class Together:
    """`Workers` of one process among others: what another one does is waited for."""

    def __init__(self, inner: Workers) -> None:
        self._inner = inner
        self._later: list[tuple[Any, Any, Any]] = []

    def each(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """See `Workers.each`: first what nobody does, then what is left by whom it was taken."""
        for thing, found in zip(things, self._all(work, things), strict=True):
            told(thing, found)

    def _all(self, work: Work[T, R], things: Sequence[T]) -> list[R]:
        found: dict[int, R] = {}
        left = list(enumerate(things))
        while left:
            self._inner.each(
                lambda one, check: work(one[1], check),
                left,
                lambda one, came: found.update({one[0]: came}),
            )
            left = [one for one in left if found[one[0]] is LATER]
            if left:
                time.sleep(_LOOK)
        return [found[i] for i in range(len(things))]

    def begin(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """See `Workers.begin`: what another process does is looked for at the end."""

        def came(thing: T, found: R) -> None:
            if found is LATER:
                self._later.append((work, thing, told))
            else:
                told(thing, found)

        self._inner.begin(work, things, came)

    def finish(self) -> None:
        """See `Workers.finish`."""
        self._inner.finish()
        self._each_later()

    def _each_later(self) -> None:
        later, self._later = self._later, []

        def tell(one: Any, found: Any) -> None:
            one[2](one[1], found)

        self.each(lambda one, check: one[0](one[1], check), later, tell)


class _Alone:
    """`Workers` in the calling thread, so that Ctrl-C arrives amid the work."""

    def each(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """See `Workers.each`."""
        for thing in things:
            told(thing, work(thing, lambda: None))

    begin = each

    def finish(self) -> None:
        """See `Workers.finish`: all is done."""


class _Side:
    """`Workers` side by side."""

    def __init__(self, pool: ThreadPoolExecutor, over: threading.Event) -> None:
        self._pool = pool
        self._over = over
        self._begun: list[tuple[Any, Future[Any], Told[Any, Any]]] = []

    def _check(self) -> None:
        if self._over.is_set():
            raise GivenUp

    def each(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """See `Workers.each`."""
        running = [self._pool.submit(work, thing, self._check) for thing in things]
        wait(running, return_when=FIRST_EXCEPTION)
        for future in running:
            if future.done():
                future.result()  # of several, whichever failed: the others run on else
        for thing, future in zip(things, running, strict=True):
            told(thing, future.result())
        self._tell(lambda future: future.done())

    def begin(self, work: Work[T, R], things: Sequence[T], told: Told[T, R]) -> None:
        """See `Workers.begin`."""
        self._begun += [(t, self._pool.submit(work, t, self._check), told) for t in things]

    def finish(self) -> None:
        """See `Workers.finish`."""
        wait([future for _, future, _ in self._begun])
        self._tell(lambda future: True)

    def _tell(self, now: Callable[[Future[Any]], bool]) -> None:
        told = [one for one in self._begun if now(one[1])]
        self._begun = [one for one in self._begun if one not in told]
        for thing, future, tell in told:
            tell(thing, future.result())
