"""What one document has one worker do: whom it asks, and where it counts."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlops_cli.bundle.manifest import Input, Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.log import PredictionLog
from mlops_cli.serving.logged_columns import Asked as Line
from mlops_cli.serving.logged_columns import Scheme
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.serving.rollouts.arms import Tallies
from mlops_cli.serving.rollouts.candidate_process import CandidateProcess
from mlops_cli.serving.rollouts.marked import Mark, marked
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Arm, Assignment, Traffic
from mlops_cli.serving.served import Version
from mlops_cli.serving.split import Rows, Told

SHADOW = "shadow"
MISSING = "CandidateMissing"  # the kind of a fault: there is no process that could answer
_number = struct.Struct("=d").unpack_from  # the first: an interval's ends come after it


class Course:
    """One worker's traffic between `champion` and a candidate, which another process holds.

    With `traffic.arm` all is answered here, and counted for that arm. Raises `ValueError` as
    `Assignment` does.
    """

    def __init__(
        self,
        traffic: Traffic,
        champion: Bundle,
        candidate: Bundle | None,
        process: CandidateProcess | None,
        tallies: Tallies,
        worker: int,
    ) -> None:
        self.traffic = traffic
        self.process = process
        other = candidate.manifest if candidate is not None else None
        self.assignment = Assignment(traffic, inputs_of(champion.manifest, other))
        self.arm_of = self.assignment.of_body
        self.alone = traffic.arm is not None
        self.mirrors = traffic.mirror and not self.alone
        variant = SHADOW if self.mirrors else CANDIDATE
        self.version = Version(candidate, variant, None) if candidate is not None else None
        salt, step = traffic.salt, traffic.step
        arm: Arm = traffic.arm or CHAMPION
        self.here = tallies.arm(worker, salt, step, arm)
        self.here.every = self.alone
        self.there = tallies.arm(worker, salt, step, CANDIDATE)
        self._scheme: Scheme | None = None  # of the candidate's lines in the log
        self._single_there = (other or champion.manifest).task != "multiclass"
        self._warm_at = traffic.warm_until.timestamp() if traffic.warm_until else 0.0
        told = traffic.testers
        self.marked = marked(told) if isinstance(told, Mark) else None
        self.recent = 0.0  # seconds of the candidate's request that was timed last
        self.mirroring = 0  # bytes of requests that are mirrored now
        self.look()

    def look(self) -> None:
        """See whether latencies count by now; for once a second."""
        self.here.warm = self.there.warm = self.here.warm or time.time() >= self._warm_at

    def arms(self, request_id: bytes, rows: Rows[Any]) -> list[Arm | None]:
        """The arm of each event of a request: see `Assignment`."""
        count, assignment = rows.count, self.assignment
        if not assignment.by_event:
            return [assignment.of_key(request_id)] * count
        return [self._of_row(request_id, rows.body(i)) for i in range(count)]

    def _of_row(self, request_id: bytes, row: bytes | Event) -> Arm | None:
        if isinstance(row, bytes):
            return self.assignment.of_body(request_id, row)
        return self.assignment.of_event(request_id, row)

    def sheds(self, size: int) -> bool:
        """Whether a request of so many bytes is not mirrored: too many wait, or it yet has to load
        for the first time."""
        process = self.process
        return process is not None and (not process.proven or process.full(size))

    def told(self, said: Told) -> None:
        """Count what the candidate answered."""
        self.there.answered(_number(said.numbers)[0] if self._single_there else None)

    def took(self, champion: float, candidate: float) -> None:
        """Count what a request took of the champion, and what it takes of the candidate."""
        self.recent = candidate
        self.here.took(champion)
        self.there.took_beside(candidate, champion)

    def lost(self) -> bool:
        """Count what the candidate did not answer; False while it has yet to load for the first
        time: that is no fault of its own."""
        counts = self.process is None or self.process.proven or self.process.fault is not None
        if counts:
            self.there.failed()
        return counts

    def asked(
        self,
        log: PredictionLog | None,
        request_id: bytes,
        key: str | None,
        body: bytes,
        *,
        exact: bool = False,
    ) -> Line | None:
        """What is known of the candidate's line for an event; None where there is to be none.

        `exact`: the candidate says that the body holds its inputs alone.
        """
        if log is None or self.version is None or not log.keeps(request_id):
            return None
        scheme = self._scheme
        if scheme is None:
            scheme = log.scheme(self.version.bundle, self.version.variant, self.there.counted)
            self._scheme = scheme
        if exact and not scheme.has_ids and scheme.fits(body):
            return scheme, time.time(), request_id, key, {}, body, True
        found = self.version.decoder.exact(body)
        event = found if found is not None else self._read(body)
        return scheme, time.time(), request_id, key, event, body, found is not None

    def _read(self, body: bytes) -> Event:
        if self.version is not None:
            with suppress(RequestError):  # it refused what the champion took
                return self.version.decoder.event(body)
        return {}


def inputs_of(champion: Manifest, candidate: Manifest | None) -> list[Input]:
    """The inputs that either knows; as the champion has them, where both do."""
    found = {i.name: i for i in candidate.inputs} if candidate is not None else {}
    return list((found | {i.name: i for i in champion.inputs}).values())


def bundle_path(traffic: Traffic, file: Path | None) -> Path | None:
    """Where the candidate's bundle stands: as the document says, seen from that document's file."""
    if traffic.candidate_path is None:
        return None
    path = Path(traffic.candidate_path)
    return path if file is None else file.absolute().parent / path
