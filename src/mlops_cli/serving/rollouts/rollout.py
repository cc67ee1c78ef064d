"""One worker's part in a rollout: it prepares what the board wants, and obeys what is current."""

from __future__ import annotations

import asyncio
import logging
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

from mlops_cli.bundle.manifest import short
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import BundleError, MlopsError
from mlops_cli.serving.contract import DIGEST
from mlops_cli.serving.models import check_environment
from mlops_cli.serving.one_event import OneEvent, OneEvents, Respond
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.rollouts.assigned_event import CandidateEvent, Mirrored
from mlops_cli.serving.rollouts.assigned_rows import Division
from mlops_cli.serving.rollouts.board import RolloutBoard
from mlops_cli.serving.rollouts.candidate_process import PATIENCE, START, CandidateProcess
from mlops_cli.serving.rollouts.course import Course, bundle_path
from mlops_cli.serving.rollouts.traffic import CANDIDATE, Traffic, parse_document
from mlops_cli.serving.routes import Request
from mlops_cli.serving.settings import Settings, to_environment
from mlops_cli.serving.split import Divided, Rows
from mlops_cli.serving.trust import digests_of, open_trusted

log = logging.getLogger(__name__)


class Rollout:
    """The rollout as one worker follows it; `worker` is its place among them."""

    def __init__(
        self, board: RolloutBoard, worker: int, events: OneEvents, settings: Settings
    ) -> None:
        self._board = board
        self._words = board.words
        self._worker = worker
        self._events = events
        self._versions = events.versions
        self._file = Path(settings.rollout) if settings.rollout else None
        self._settings = settings
        self._obeys = 0
        self._course: Course | None = None
        self._prepared: tuple[int, Course | None] = (0, None)
        self._turn = asyncio.Lock()
        self._ends: set[asyncio.Task[None]] = set()
        self.fault: str | None = None  # why what was prepared last is not as it should be
        events.route = self.one_event

    @property
    def behind(self) -> bool:
        """Whether there is something to prepare or to obey."""
        return (self._prepared[0], self._obeys) != (self._board.wanted, self._board.current)

    @property
    def course(self) -> Course | None:
        """What is in effect now."""
        if self._words[1] != self._obeys:
            self._switch()
        return self._course

    def look(self) -> None:
        """For once a second."""
        if (course := self.course) is not None:
            course.look()

    async def follow(self) -> None:
        """Prepare what the board wants, beside the requests."""
        async with self._turn:
            turn = self._board.wanted
            if turn != self._prepared[0]:
                await self._prepare(turn)
        _ = self.course

    async def _prepare(self, turn: int) -> None:
        self.fault = None
        course, new = None, None
        document = parse_document(self._board.text(turn)) if self._board.text(turn) else None
        try:
            if document is not None and document.traffic is not None:
                course, new = self._compiled(document.traffic)
        except (MlopsError, ValueError) as e:
            self.fault = e.message if isinstance(e, MlopsError) else str(e)
        if new is not None:
            await new.start(PATIENCE if turn == self._board.current else START)
            if not new.proven:
                self.fault = new.fault or "the candidate still loads"
        if self.fault is not None:
            log.error(
                "worker %d: the rollout cannot be as it is told: %s", self._worker, self.fault
            )
        before, self._prepared = self._prepared[1], (turn, course)
        self._retire(before)
        self._board.prepared(self._worker, turn, refused=self.fault is not None)

    def _compiled(self, traffic: Traffic) -> tuple[Course, CandidateProcess | None]:
        """The course, and its candidate's process where that is a new one, yet to be started.

        Raises `ValueError` and `MlopsError`.
        """
        champion = self._versions.default.bundle
        mine = traffic.candidate if traffic.arm == CANDIDATE else traffic.champion
        if mine != champion.digest:
            raise ValueError(f"this server's champion is {champion.version}, not {short(mine)}")
        candidate = process = new = None
        if traffic.arm is None:
            candidate = self._candidate(traffic)
            process = self._known(traffic)
            if process is None:
                process = new = self._process(candidate)
        arms = self._board.tallies, self._worker
        course = Course(traffic, champion, candidate, process, *arms)
        if course.version is not None:
            course.version.decoder.also = {i.name for i in champion.manifest.inputs}
        return course, new

    def _candidate(self, traffic: Traffic) -> Bundle:
        path = bundle_path(traffic, self._file)
        if path is None:
            raise ValueError("candidate_path: it has to say where the candidate's bundle stands")
        allowed = os.environ.get(DIGEST)
        if allowed and traffic.candidate not in digests_of(allowed):
            said = f"{short(traffic.candidate)} is none of the versions that {DIGEST} allows"
            raise ValueError(said)
        bundle = open_trusted(path, self._settings.trust)
        if bundle.digest != traffic.candidate:
            raise BundleError(f"{path} holds {bundle.version}, not {short(traffic.candidate)}")
        check_environment(bundle.manifest)
        here = self._versions.default.bundle.manifest
        if bundle.manifest.task != here.task:
            said = f"the candidate's task is {bundle.manifest.task}, and the champion's {here.task}"
            raise ValueError(said)
        if bundle.online() != self._versions.default.bundle.online():
            raise ValueError("the candidate looks up other features than the champion")
        if bundle.manifest.classes != here.classes and (traffic.sticky or traffic.segment):
            raise ValueError(
                "candidate and champion have other classes: with sticky or segment a request may "
                "meet both, and its answer would have two forms"
            )
        return bundle

    def _known(self, traffic: Traffic) -> CandidateProcess | None:
        for course in (self._course, self._prepared[1]):
            process = course.process if course is not None else None
            if process is not None and process.digest == traffic.candidate:
                return process
        return None

    def _process(self, bundle: Bundle) -> CandidateProcess:
        settings = Settings(trust=self._settings.trust)
        environment = {**os.environ, **to_environment(settings), "OMP_NUM_THREADS": "1"}
        limit = self._settings.limits.timeout
        return CandidateProcess(bundle.path, bundle.digest, limit, environment, self._versions)

    def _switch(self) -> None:
        """Obey what was prepared, if that is what is current."""
        turn, course = self._prepared
        if turn != self._board.current:
            return
        before, self._course, self._obeys = self._course, course, turn
        versions, version = self._versions, course.version if course is not None else None
        versions.split = self if course is not None else None
        self._events.aside = course.marked if course is not None else None
        versions.beside = version
        inputs = version.bundle.manifest.inputs if version is not None else ()
        process = course.process if course is not None else None
        versions.default.batcher.before = process.flush if process is not None else None
        versions.default.decoder.also = {i.name for i in inputs}
        self._retire(before)

    def _retire(self, course: Course | None) -> None:
        """End the candidate's process of a course that is neither obeyed nor prepared."""
        process = course.process if course is not None else None
        kept = [c.process for c in (self._course, self._prepared[1]) if c is not None]
        if process is not None and process not in kept:
            task = asyncio.ensure_future(process.close())
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    def end(self) -> None:
        """End the candidate's process: the worker leaves."""
        for course in (self._course, self._prepared[1]):
            if course is not None and course.process is not None:
                course.process.end()

    # -- requests

    async def answer(
        self, request: Request, rows: Rows[Any], version: str | None
    ) -> Divided[Any] | None:
        """See `Split.answer`."""
        course, served = self.course, self._versions.default
        if course is None:
            return None
        tried = version is None and course.marked is not None and course.marked(request.headers)
        if course.alone and (tried or version is not None):
            return None
        division = Division(course, request, served, self._events.log)
        if version is not None:
            beside = self._versions.beside
            named = beside is not None and version == beside.version
            if beside is None or not named or version in self._versions.loaded:
                request.entry = None
                return None
            request.served = beside
            return await division.named(rows, beside)
        if tried:
            return await self._tried(division, request, rows)
        divided = await division.answer(rows)
        division.mirror(rows, self._ends)
        return divided

    async def _tried(
        self, division: Division, request: Request, rows: Rows[Any]
    ) -> Divided[Any] | None:
        """The candidate's answers to a tester; None where it has none, and the champion answers."""
        request.served = version = self._versions.beside
        try:
            if version is not None:
                return await division.named(rows, version)
        except RequestError as e:
            if e.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        request.entry = None
        return None

    def one_event(
        self, named: bytes, key: str | None, body: bytes, respond: Respond
    ) -> OneEvent | None:
        """Begin the prediction of one event: see `OneEvents.begin`."""
        if self._words[1] != self._obeys:
            self._switch()
        course = self._course
        if course is None:
            return self._events.here(named, key, body, respond)
        arm = course.arm_of(named, body)
        if arm == CANDIDATE and not course.mirrors:
            return self._there(course, named, key, body, respond)
        counter = course.here if arm is not None else None
        one = self._events.here(named, key, body, respond, counter)
        if arm == CANDIDATE and one is not None:
            if course.sheds(len(body)):
                course.there.dropped()
                return one
            Mirrored(self._events, course, named, key, body).begin()
        return one

    def _there(
        self, course: Course, named: bytes, key: str | None, body: bytes, respond: Respond
    ) -> OneEvent | None:
        asked = CandidateEvent(self._events, course, named, key, body, respond)
        try:
            asked.begin()
        except RequestError:
            return None
        return asked
