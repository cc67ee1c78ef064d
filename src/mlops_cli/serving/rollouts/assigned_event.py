"""A prediction of one event while a rollout runs: by the arm that it meets, and counted for it."""

from __future__ import annotations

import time

from mlops_cli.serving.one_event import OneEvent, OneEvents, Respond
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.rollouts.course import MISSING, Course
from mlops_cli.serving.split import Asked, Told


class Mirrored:
    """An event of which the candidate is asked, too; nobody is told its answer."""

    __slots__ = ("_body", "_by", "_course", "_id", "_key", "_rest", "_said", "_started")

    def __init__(
        self, by: OneEvents, course: Course, request_id: bytes, key: str | None, body: bytes
    ) -> None:
        self._by = by
        self._course = course
        self._id = request_id
        self._key = key
        self._body = body
        self._started = time.perf_counter()

    def begin(self) -> None:
        """Ask, and go on."""
        process = self._course.process
        kind = process.ask(Asked(0, [self._body]), self) if process is not None else MISSING
        if kind is not None:
            self.lost(kind)

    def told(self, said: Told, way: float) -> None:
        """See `Asking.told`."""
        self._said, self._rest = said, time.perf_counter() - self._started - way
        self._course.told(said)

    def timed(self, seconds: float, *, counts: bool = True) -> None:
        """See `Asking.timed`."""
        said, seconds = self._said, self._rest + seconds
        if counts:
            self._course.there.took(seconds)
        line = self._line(exact=said.exact)
        if line and self._by.log is not None:
            self._by.log.told(line, said.digests[0], said.contents[0], seconds)

    def lost(self, kind: str, refused: Told | None = None) -> None:
        """See `Asking.lost`: the champion could read it."""
        del refused
        line = self._line() if self._course.lost() else b""
        if line and self._by.log is not None:
            self._by.log.failed(line, kind, time.perf_counter() - self._started)

    def _line(self, *, exact: bool = False) -> bytes:
        return self._course.line(self._by.log, self._id, self._key, self._body, exact=exact)


class CandidateEvent(OneEvent):
    """One that the candidate answers; where it does not, the champion does."""

    __slots__ = ("_body", "_course", "_key", "_rest", "_said")

    def __init__(
        self,
        by: OneEvents,
        course: Course,
        request_id: bytes,
        key: str | None,
        body: bytes,
        respond: Respond,
    ) -> None:
        super().__init__(by, course.version or by.versions.default, request_id, b"", respond)
        self._course = course
        self._key = key
        self._body = body
        self._started = time.perf_counter()

    def begin(self) -> None:
        """Ask the candidate, or the champion at once where it cannot be asked.

        Raises `RequestError` where that refuses the event.
        """
        process = self._course.process
        kind = process.ask(Asked(0, [self._body]), self) if process is not None else MISSING
        if kind is not None:
            self._ask_champion(kind)

    def told(self, said: Told, way: float) -> None:
        """Answer with the candidate's prediction."""
        seconds = time.perf_counter() - self._started
        self._said, self._rest = said, seconds - way
        self._course.told(said)
        if not self.gone:
            self._answer(said.contents[0], seconds)

    def timed(self, seconds: float, *, counts: bool = True) -> None:
        """See `Asking.timed`."""
        course, log, said, seconds = self._course, self._by.log, self._said, self._rest + seconds
        if counts:
            course.there.took(seconds)
        line = course.line(log, self._id, self._key, self._body, exact=said.exact)
        if line and log is not None:
            log.told(line, said.digests[0], said.contents[0], seconds)

    def lost(self, kind: str, refused: Told | None = None) -> None:
        """Have the champion answer. What both refuse is the client's fault, and nobody's."""
        del refused
        try:
            self._ask_champion(kind)
        except RequestError as e:
            self._refuse(e)

    def _ask_champion(self, kind: str) -> None:
        course, by = self._course, self._by
        served = by.versions.default
        row, self._line = by.read(served, self._id, self._key, self._body)
        if course.lost():
            line = course.line(by.log, self._id, self._key, self._body)
            if line and by.log is not None:
                by.log.failed(line, kind, time.perf_counter() - self._started)
        self._served = served
        if not self.gone:
            self.wait(served.batcher, row, self._started)

    def _refuse(self, e: RequestError) -> None:
        if self.gone:
            return
        served, seconds = self._by.versions.default, time.perf_counter() - self._started
        self._by.metrics.answered(e.status, seconds, 0, served.variant, served.version)
        self.gone = True
        self._respond(e.status, self._id, error_body(e.message, e.field, e.row))
