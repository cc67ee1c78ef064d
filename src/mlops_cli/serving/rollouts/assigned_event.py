"""A prediction of one event while a rollout runs: by the arm that it meets, and counted for it."""

from __future__ import annotations

import time

from mlops_cli.serving.lines import opening
from mlops_cli.serving.logged_columns import Asked as Line
from mlops_cli.serving.one_event import OneEvent, OneEvents, Respond
from mlops_cli.serving.requests import RequestError, error_body
from mlops_cli.serving.rollouts.company import Turn
from mlops_cli.serving.rollouts.course import MISSING, Course
from mlops_cli.serving.split import Asked, Told


class _Asking:
    """Counts and logs what the candidate says of one event."""

    __slots__ = ()
    _by: OneEvents
    _course: Course
    _id: bytes
    _key: str | None
    _body: bytes
    _said: Told
    _rest: float  # seconds that were neither the way nor its work

    def timed(self, said: Told | None, beside: Turn | float | None) -> None:
        """See `Asking.timed`."""
        if said is not None and isinstance(beside, Turn):
            self._course.took(*beside.compared(said))
        self._log(self._rest + self._said.seconds)

    def _log(self, seconds: float) -> None:
        log, said = self._by.log, self._said
        asked = self._asked_there(exact=said.exact)
        if asked is not None and log is not None:
            log.answered(asked, said, 0, self._course.recent or seconds)

    def _asked_there(self, *, exact: bool = False) -> Line | None:
        return self._course.asked(self._by.log, self._id, self._key, self._body, exact=exact)

    def _log_lost(self, kind: str, started: float) -> None:
        log, asked = self._by.log, self._asked_there()
        if asked is not None and log is not None:
            log.failed(opening(asked), kind, time.perf_counter() - started)


class Mirrored(_Asking):
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

    def told(self, said: Told, way: float, *, more: bool) -> None:
        """See `Asking.told`."""
        self._said, self._rest = said, time.perf_counter() - self._started - way
        self._course.told(said)
        if not more:
            self._log(self._rest + said.seconds)

    def lost(self, kind: str, refused: Told | None = None) -> None:
        """See `Asking.lost`: the champion could read it."""
        del refused
        if self._course.lost():
            self._log_lost(kind, self._started)


class CandidateEvent(_Asking, OneEvent):
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
        super().__init__(by, course.version or by.versions.default, request_id, None, respond)
        self._course = course
        self._key = key
        self._body = body
        self.started = time.perf_counter()

    def begin(self) -> None:
        """Ask the candidate, or the champion at once where it cannot be asked.

        Raises `RequestError` where that refuses the event.
        """
        process = self._course.process
        kind = process.ask(Asked(0, [self._body]), self) if process is not None else MISSING
        if kind is not None:
            self._ask_champion(kind)

    def told(self, said: Told, way: float, *, more: bool) -> None:
        """Answer with the candidate's prediction."""
        seconds = time.perf_counter() - self.started
        self._said, self._rest = said, seconds - way
        self._course.told(said)
        if not self.gone:
            self._answer(said.contents[0], seconds)
        if not more:
            self._log(self._rest + said.seconds)

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
        row, self._asked = by.read(served, self._id, self._key, self._body)
        if course.lost():
            self._log_lost(kind, self.started)
        self._served = served
        if not self.gone:
            self.wait(served.batcher, row, self.started)

    def _refuse(self, e: RequestError) -> None:
        if self.gone:
            return
        served, seconds = self._by.versions.default, time.perf_counter() - self.started
        self._by.metrics.answered(e.status, seconds, 0, served.variant, served.version)
        self.gone = True
        self._respond(e.status, self._id, error_body(e.message, e.field, e.row))
