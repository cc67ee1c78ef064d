"""What a request would take of the candidate in the champion's place, of which a few are tried.

A request of the champion waits for all that its turn of the loop holds, and shares a call of the
model with it. The candidate's process is asked for a few of them, and waits in between. So both are
compared in the same company: what a request took of the champion, and the same less the champion's
own work, more what the candidate's is on as many rows. Work is measured when it has just been done:
a process that waited finds its memory in no cache.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import randrange

from mlops_cli.serving.exact_rows import Packed
from mlops_cli.serving.micro_batch import Predicted
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.one_event import OneEvent
from mlops_cli.serving.predictor import Predictor
from mlops_cli.serving.requests import Event
from mlops_cli.serving.served import Served
from mlops_cli.serving.split import Asked, Told
from mlops_cli.serving.versions import Versions

EVERY = 0.04  # seconds between two requests of the candidate that are timed
_STALE = 60.0  # seconds for which a turn of the champion stands for those after it
_KNOWN = 10.0  # seconds for which the champion's work on so many rows is not measured anew
_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # rows it is measured on
_TIMES = 2
_FEW = 64  # events of a list that stand for the rest
_QUEUED = Path("/proc/thread-self/schedstat")


def quickest(work: Callable[[], object]) -> float:
    """Seconds that work takes when it has just been done, the least of a few.

    They are those of the processor, and where it waits by itself (asleep, or for an answer) those
    of its waiting. Who else has the processor meanwhile, or its caches, is no matter of the work.
    """
    work()
    return min(_seconds(work) for _ in range(_TIMES))


def _seconds(work: Callable[[], object]) -> float:
    waits, queued = _waits(), _queued()
    begun, worked = time.perf_counter(), time.thread_time()
    work()
    worked, whole = time.thread_time() - worked, time.perf_counter() - begun
    if _waits() == waits:
        return worked
    return max(worked, whole - (_queued() - queued))


def _waits() -> int:
    """How often this thread gave the processor away by itself."""
    if sys.platform != "linux":
        return 0
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def _queued() -> float:
    """Seconds that this thread could have run, and another had the processor."""
    with suppress(OSError, ValueError, IndexError):
        return int(_QUEUED.read_bytes().split()[1]) * 1e-9
    return 0.0


def predict(predictor: Predictor, rows: Sequence[Packed]) -> None:
    """One call of the model, and its answers as JSON."""
    predictor.contents(predictor.numbers(predictor.matrix(rows)))


def predicted(served: Served, asked: Asked) -> tuple[Matrix, Raw, list[bytes]]:
    """The features of all that is asked, the model's numbers, and its answers as JSON."""
    matrix = _matrix(served, asked)
    numbers = served.predictor.numbers(matrix)
    return matrix, numbers, served.predictor.contents(numbers)


def _matrix(served: Served, asked: Asked) -> Matrix:
    if asked.bodies:
        exact = served.decoder.exact_list(b"[%b]" % b",".join(asked.bodies))
        matrix = served.predictor.exact.matrix(exact) if exact is not None else None
        if matrix is not None:
            return matrix
    return served.predictor.encode(events_of(served, asked))


def events_of(served: Served, asked: Asked) -> Sequence[Event]:
    """What is asked, by name."""
    read = served.decoder.event
    return asked.events or [read(body, row) for row, body in enumerate(asked.bodies)]


def each_of_list(served: Served, asked: Asked) -> float:
    """Seconds that each event of a list takes, in the company of the others."""
    first = Asked(0, asked.bodies[:_FEW], asked.events[:_FEW])
    return quickest(lambda: predicted(served, first)) / first.count


@dataclass(slots=True)
class Turn:
    """A turn of the champion's: the request in `place` was answered after `seconds` (0: it is yet
    to be), among so `many`. Of that the model's work on some of its `rows` is `work`, and to read
    one of its events takes `each`."""

    place: int
    many: int
    rows: list[Packed]
    at: float
    seconds: float = 0.0
    work: float = 0.0
    each: float = 0.0

    def compared(self, timed: Told) -> tuple[float, float]:
        """The seconds of that request, and what they were had the candidate done the work."""
        read_meanwhile = self.many - self.place
        more = read_meanwhile * (timed.each - self.each) + timed.seconds - self.work
        return self.seconds, max(0.0, self.seconds + more)


class Company:
    """Looks at a turn of the champion's now and then, while it `looks`."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self._turn: Turn | None = None
        self._from = 0.0
        self._known: dict[int, tuple[float, float]] = {}  # when it was measured, and what
        self.looks = True

    def look(self) -> None:
        """Look at this turn, if the champion has something in it."""
        came = self._versions.default.batcher.came
        if not came or time.perf_counter() < self._from:
            return
        place = randrange(len(came))  # noqa: S311  # each request is one of many
        row, waiting = came[place]
        if isinstance(waiting, OneEvent):
            self.looks = False
            size = max(s for s in _SIZES if s <= len(came))
            rows = [row for row, _ in came[:size]]
            self._turn = Turn(place, len(came), rows, time.perf_counter())
            came[place] = row, _Looked(waiting, self._turn)

    def take(self, body: bytes) -> Turn | None:
        """The turn that was looked at, for a request of the candidate's that brings `body`; None:
        there is none yet, or it was long ago."""
        turn, self._turn = self._turn, None
        if turn is None or not turn.seconds or time.perf_counter() - turn.at > _STALE:
            self.looks = True
            return None
        served = self._versions.default
        predictor, rows = served.predictor, turn.rows

        def read() -> None:
            predictor.exact.row(served.decoder.exact(body) or {})

        turn.work = self._measured(len(rows), lambda: quickest(lambda: predict(predictor, rows)))
        turn.each = self._measured(0, lambda: quickest(read))
        return turn

    def list_takes(self, asked: Asked) -> float | None:
        """Seconds that the champion works on a list; None where it cannot."""
        served = self._versions.default
        size = max(s for s in _SIZES if s <= asked.count)
        with suppress(Exception):  # which the candidate can answer
            return asked.count * self._measured(-size, lambda: each_of_list(served, asked))
        return None

    def timed(self) -> None:
        """What was taken has been timed, or cannot be: another turn is looked at, but not at once,
        since the candidate's work was in the processor's caches just now."""
        self.looks, self._from = True, time.perf_counter() + EVERY / 2

    def _measured(self, of: int, measure: Callable[[], float]) -> float:
        """What the champion's work takes, now or a while ago: of so many rows, of reading one (0),
        or of each event of a list of so many (negative)."""
        now = time.perf_counter()
        at, seconds = self._known.get(of, (float("-inf"), 0.0))
        if now - at > _KNOWN:
            seconds = measure()
            self._known[of] = now, seconds
        return seconds


class _Looked:
    """The one whose whole time is wanted."""

    def __init__(self, waiting: OneEvent, turn: Turn) -> None:
        self._waiting = waiting
        self._turn = turn
        self._started = waiting.started

    @property
    def gone(self) -> bool:
        return self._waiting.gone

    def predicted(self, said: Predicted, place: int) -> None:
        self._waiting.predicted(said, place)
        self._turn.seconds = time.perf_counter() - self._started

    def failed(self, fault: Exception) -> None:
        self._waiting.failed(fault)
