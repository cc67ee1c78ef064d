"""A request of any number of events while a rollout runs, by the arms that they meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from mlops_cli.serving.entry import Entry
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.logged_columns import Counted
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.rollouts.candidate_process import BYTES
from mlops_cli.serving.rollouts.company import Turn
from mlops_cli.serving.rollouts.course import MISSING, Course
from mlops_cli.serving.rollouts.traffic import CANDIDATE, Arm
from mlops_cli.serving.routes import Request
from mlops_cli.serving.served import Served, Version
from mlops_cli.serving.split import Asked, Divided, Rows, Told

T = TypeVar("T")


class Lost(Exception):
    """The candidate did not answer; `refused`: since it takes no such event."""

    def __init__(self, kind: str, refused: Told | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.refused = refused


class Entries:
    """The lines of a request, of several arms: ended together, each with its own time."""

    def __init__(self) -> None:
        self._entries: list[tuple[Entry, float]] = []
        self.current: Entry | None = None

    def add(self, entry: Entry | None, less: float = 0.0) -> None:
        """Lines that are whole; `less` seconds were none of the model's."""
        self.current = None
        if entry is not None:
            self._entries.append((entry, less))

    def failed(self, error: str) -> None:
        """The model failed at what it is asked now."""
        if self.current is not None:
            self.current.failed(error)
            self.add(self.current)

    def end(self, seconds: float) -> None:
        """The request is answered, so long after it came."""
        for entry, less in self._entries:
            entry.end(max(0.0, seconds - less))


class Division:
    """One request under way."""

    def __init__(
        self, course: Course, request: Request, served: Served, log: PredictionLog | None
    ) -> None:
        self._course = course
        self._request = request
        self._served = served
        self._log = log
        request.served = served
        self._entries = request.entry = Entries()
        self._mirrors: set[asyncio.Task[None]] = set()

    async def answer(self, rows: Rows[T]) -> Divided[T]:
        """The answers; raises `RequestError` where the champion does, and nothing is counted."""
        course = self._course
        arms = course.arms(self._request.id, rows)
        asks = [] if course.mirrors else [i for i, arm in enumerate(arms) if arm == CANDIDATE]
        counted = [i for i, arm in enumerate(arms) if arm is not None and i not in set(asks)]
        others = [i for i, arm in enumerate(arms) if arm is None]
        parts: list[tuple[Sequence[int], T]] = []
        if others:
            parts.append((others, await self._here(rows, others, None)))
        if counted:
            parts.append((counted, await self._counted(rows, counted)))
        by = dict.fromkeys(range(rows.count), self._served.version)
        if asks:
            said, version = await self._there(rows, asks)
            parts.append((asks, said))
            by |= dict.fromkeys(asks, version.version)
            self._request.served = version if len(parts) == 1 else self._served
        own = self._request.served or self._served
        versions = [by[place] for place in range(rows.count)]
        mixed = len(set(versions)) > 1
        return Divided(own, rows.merged(parts), versions if mixed else None)

    async def _here(self, rows: Rows[T], places: Sequence[int], counted: Counted | None) -> T:
        served, request = self._served, self._request
        entry = None
        if self._log is not None:
            begun = served.bundle, request.id, request.key, served.variant, counted
            entry = self._log.begin(*begun)
        if entry is not None:
            entry.places = places
        self._entries.current = entry
        said = await rows.here(served, entry, places)
        self._entries.add(entry)
        return said

    async def _counted(self, rows: Rows[T], places: Sequence[int]) -> T:
        course, begun = self._course, time.perf_counter()
        try:
            said = await self._here(rows, places, course.here.counted)
        except RequestError:
            raise
        except Exception:
            course.here.failed()
            raise
        seconds = time.perf_counter() - begun
        course.here.answered(rows.mean(self._served, said), seconds)
        return said

    async def _there(self, rows: Rows[T], places: Sequence[int]) -> tuple[T, Version]:
        """What the candidate says, and where it does not, the champion."""
        course, begun, version = self._course, time.perf_counter(), self._course.version
        entry = self._entry_there()
        try:
            told, hop, taken = await ask(course, rows.asked(places))
        except Lost as e:
            kind = e.kind
        else:
            if version is not None:
                said = rows.there(version, told)
                taken.count(time.perf_counter() - begun - hop, told)
                course.there.answered(rows.mean(version, said))
                self._log_told(entry, rows, places, told)
                self._entries.add(entry, hop)
                return said, version
            kind = MISSING
        try:
            answer = await self._here(rows, places, None)
        except RequestError:
            raise  # the client's fault, and nobody's
        except Exception:
            course.lost()
            raise
        if course.lost():
            self._log_lost(entry, rows, places, kind)
            self._entries.add(entry)
        return answer, self._served

    def _entry_there(self) -> Entry | None:
        course, request = self._course, self._request
        if self._log is None or course.version is None:
            return None
        version, counted = course.version, course.there.counted
        return self._log.begin(version.bundle, request.id, request.key, version.variant, counted)

    def _log_told(
        self, entry: Entry | None, rows: Rows[Any], places: Sequence[int], told: Sequence[Told]
    ) -> None:
        if entry is None or self._course.version is None:
            return
        entry.places = places
        entry.asked(*rows.logged(self._course.version, places))
        digests = [digest for one in told for digest in one.features_digests]
        entry.told(digests, [content for one in told for content in one.contents])

    def _log_lost(
        self, entry: Entry | None, rows: Rows[Any], places: Sequence[int], kind: str
    ) -> None:
        if entry is None or self._course.version is None:
            return
        entry.places = places
        entry.asked(*rows.logged(self._course.version, places))
        entry.failed(kind)

    async def named(self, rows: Rows[T], version: Version) -> Divided[T]:
        """The candidate's answers to a request that names it, which count for nobody.

        Raises `RequestError`: 422 where it refuses them, 503 where it does not answer.
        """
        request, entry, places = self._request, None, range(rows.count)
        if self._log is not None:
            entry = self._log.begin(version.bundle, request.id, request.key, version.variant)
        try:
            told, hop, _ = await ask(self._course, rows.asked(places))
        except Lost as e:
            if e.refused is not None:
                said = e.refused
                raise RequestError(422, said.why, field=said.field, row=said.row) from e
            raise RequestError(503, f"the candidate does not answer ({e.kind})") from e
        self._log_told(entry, rows, places, told)
        self._entries.add(entry, hop)
        return Divided(version, rows.there(version, told))

    # -- shadow

    def mirror(self, rows: Rows[Any], tasks: set[asyncio.Task[None]]) -> None:
        """Ask the candidate what the champion has answered; `tasks` keeps it under way."""
        course = self._course
        arms: list[Arm | None] = course.arms(self._request.id, rows)
        places = [i for i, arm in enumerate(arms) if arm == CANDIDATE]
        if not course.mirrors or not places:
            return
        size = len(self._request.body)
        if course.sheds(size) or (course.process is not None and course.mirroring + size > BYTES):
            course.there.dropped()
            return
        course.mirroring += size
        task = asyncio.ensure_future(self._mirror(rows, places, size))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _mirror(self, rows: Rows[Any], places: Sequence[int], size: int) -> None:
        course, begun, version = self._course, time.perf_counter(), self._course.version
        entry = self._entry_there()
        try:
            told, hop, taken = await ask(course, rows.asked(places))
            seconds = time.perf_counter() - begun - hop
            if version is not None:
                taken.count(seconds, told)
                course.there.answered(rows.mean(version, rows.there(version, told)))
            self._log_told(entry, rows, places, told)
        except Lost as e:
            seconds = time.perf_counter() - begun
            course.lost()
            self._log_lost(entry, rows, places, e.kind)
        finally:
            course.mirroring -= size
        if entry is not None:
            entry.end(max(0.0, seconds))


class Taken:
    """What a request takes of both arms: as long as it took, but for the work of either on it."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._rest: tuple[float, int] | None = None  # of so many events
        self._each: tuple[float, float] | None = None  # of the champion, and of the candidate

    def count(self, seconds: float, told: Sequence[Told]) -> None:
        """It took so long, with what the candidate told."""
        events = sum(len(one.contents) for one in told)
        self._rest = max(0.0, seconds - sum(one.seconds for one in told)), events
        self._compare()

    def works(self, champion: float, candidate: float) -> None:
        """So long either works on each of its events."""
        if self._each is None:
            self._each = champion, candidate
            self._compare()

    def _compare(self) -> None:
        if self._rest is not None and self._each is not None:
            rest, events = self._rest
            self._course.took(*(rest + events * each for each in self._each))


class Awaiting:
    """One who waits in a coroutine; where its client has left, a fault counts all the same."""

    def __init__(self, course: Course, taken: Taken, events: int) -> None:
        self.future: asyncio.Future[tuple[Told, float]]
        self.future = asyncio.get_running_loop().create_future()
        self._course = course
        self._taken = taken
        self._events = events

    def told(self, said: Told, way: float, *, more: bool) -> None:
        """See `Asking.told`."""
        del more
        if not self.future.done():
            self.future.set_result((said, way - said.seconds))

    def timed(self, said: Told | None, beside: Turn | float | None) -> None:
        """See `Asking.timed`."""
        if said is not None and isinstance(beside, float):
            self._taken.works(beside / self._events, said.seconds / self._events)

    def lost(self, kind: str, refused: Told | None = None) -> None:
        """See `Asking.lost`."""
        if not self.future.done():
            self.future.set_exception(Lost(kind, refused))
        elif not refused:
            self._course.lost()


async def ask(course: Course, questions: Sequence[Asked]) -> tuple[list[Told], float, Taken]:
    """The candidate's answers to one question after another, the seconds of the ways, and who is
    told what the request took.

    Raises `Lost`.
    """
    told: list[Told] = []
    ways, process, taken = 0.0, course.process, Taken(course)
    for asked in questions:
        waiting = Awaiting(course, taken, asked.count)
        kind = process.ask(asked, waiting, alone=True) if process is not None else MISSING
        if kind is not None:
            raise Lost(kind)
        said, hop = await waiting.future
        told.append(said)
        ways += hop
    return told, ways, taken
