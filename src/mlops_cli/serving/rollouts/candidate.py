"""`python -m mlops_cli.serving.rollouts.candidate`: where a rollout's candidate answers.

A worker starts it and ends it. Whatever it does, hang, leak or end, it does to itself alone.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec

from mlops_cli.errors import MlopsError
from mlops_cli.serving.exact_rows import Packed
from mlops_cli.serving.following import load_served
from mlops_cli.serving.models import Matrix
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.serving.rollouts.messages import Frames, framed, read_asked
from mlops_cli.serving.roster import Entry
from mlops_cli.serving.served import Served
from mlops_cli.serving.settings import from_environment
from mlops_cli.serving.split import Asked, Told

log = logging.getLogger(__name__)

RETIME = 0.02  # seconds between two answers that are computed once more, for their time
_READ = 256 * 1024
_SHOWN = 500
_PR_SET_PDEATHSIG = 1
_encode = msgspec.json.Encoder().encode


def main(arguments: list[str] | None = None) -> int:
    """Prove the bundle, say hello, and answer until the worker is gone."""
    parser = argparse.ArgumentParser(prog="python -m mlops_cli.serving.rollouts.candidate")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--digest", required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--worker", type=int, required=True)
    options = parser.parse_args(arguments)
    _stand_behind(options.worker)
    with socket.socket(fileno=options.fd) as worker:
        try:
            trust = from_environment(os.environ).trust
            served = load_served(Entry(str(options.bundle), options.digest), trust=trust)
        except MlopsError as e:
            worker.sendall(framed(Told(0, error=type(e).__name__, why=e.message[:_SHOWN])))
            return e.exit_code
        gc.collect()
        gc.freeze()
        with suppress(ConnectionError):
            worker.sendall(framed(Told(0)))
            Candidate(served).answer(worker)
    return 0


def _stand_behind(worker: int) -> None:
    """Go with the worker and not before: signals are for it; and first where memory is short."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != worker:
        os._exit(1)


class Candidate:
    """Answers with one version, in the order in which it is asked."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._retime_at = 0.0

    def answer(self, worker: socket.socket) -> None:
        """Until nobody asks any more. Single events that came together are predicted together."""
        frames = Frames()
        while received := _received(worker):
            data, waited = received
            begun = time.perf_counter()
            single: list[Asked] = []
            told: list[bytes] = []
            for content in frames.add(data):
                asked = read_asked(content)
                if asked.number == 0:
                    self._served.decoder.also = {name.decode() for name in asked.bodies}
                elif len(asked.bodies) + len(asked.events) == 1 and not asked.explain:
                    single.append(asked)
                else:
                    told.append(framed(self._said(asked, time.perf_counter())))
            if single:
                said = self._together(single, begun)
                retimed = waited and begun >= self._retime_at
                for one in said:
                    one.cold = waited and one.error is None
                    one.retimed = retimed and one.cold
                told += map(framed, said)
            if told:
                worker.sendall(b"".join(told))
            if single and retimed:
                self._retime_at = time.perf_counter() + RETIME
                worker.sendall(b"".join(map(framed, self._warm(said))))

    def _together(self, asked: Sequence[Asked], begun: float) -> list[Told]:
        """Single events, in one call of the model; one by one, where it raises over them."""
        self._last = asked
        served = self._served
        try:
            rows = [self._row(one) for one in asked]
            matrix = served.predictor.matrix([row for row, _ in rows])
            numbers = served.predictor.numbers(matrix)
            contents = served.predictor.contents(numbers)
        except Exception:  # noqa: BLE001  # whose fault it is, is found one by one
            return [self._said(one, begun) for one in asked]
        seconds = time.perf_counter() - begun
        return [
            Told(
                one.number,
                [contents[i]],
                numbers[i : i + 1].tobytes(),
                [_digest(matrix[i].tobytes())],
                seconds,
                exact=rows[i][1],
            )
            for i, one in enumerate(asked)
        ]

    def _warm(self, said: Sequence[Told]) -> list[Told]:
        """How long it takes to answer when others were answered just before.

        A process that waited finds its memory in no cache: with all the traffic it would not wait.
        In time of the processor: who was answered may have taken it just now.
        """
        begun = time.thread_time()
        self._together(self._last, begun)
        seconds = time.thread_time() - begun
        return [Told(one.number, seconds=seconds) for one in said if one.retimed]

    def _row(self, asked: Asked) -> tuple[Packed, bool]:
        """The features of its event, and whether that is exact."""
        served = self._served
        if asked.events:
            return served.predictor.row(asked.events[0]), False
        body = asked.bodies[0]
        event = served.decoder.exact(body)
        row = served.predictor.exact.row(event) if event is not None else None
        if row is not None:
            return row, True
        return served.predictor.row(served.decoder.event(body)), False

    def _said(self, asked: Asked, begun: float) -> Told:
        try:
            return self._predicted(asked, begun)
        except RequestError as e:
            return Told(
                asked.number,
                seconds=time.perf_counter() - begun,
                error=type(e).__name__,
                why=e.message[:_SHOWN],
                refused=True,
                row=e.row,
                field=e.field,
            )
        except Exception as e:  # noqa: BLE001  # told to the worker, which says it
            why = str(e)[:_SHOWN]
            return Told(asked.number, error=type(e).__name__, why=why)

    def _predicted(self, asked: Asked, begun: float) -> Told:
        served = self._served
        if asked.explain:
            contents = list(map(_encode, served.explain(self._events(asked))))
            return Told(asked.number, contents, seconds=time.perf_counter() - begun)
        matrix = self._matrix(asked)
        numbers = served.predictor.numbers(matrix)
        contents = served.predictor.contents(numbers)
        digests = [_digest(row.tobytes()) for row in matrix]
        taken = time.perf_counter() - begun
        return Told(asked.number, contents, numbers.tobytes(), digests, taken)

    def _matrix(self, asked: Asked) -> Matrix:
        served = self._served
        if asked.bodies:
            exact = served.decoder.exact_list(b"[%b]" % b",".join(asked.bodies))
            matrix = served.predictor.exact.matrix(exact) if exact is not None else None
            if matrix is not None:
                return matrix
        return served.predictor.encode(self._events(asked))

    def _events(self, asked: Asked) -> Sequence[Event]:
        read = self._served.decoder.event
        return asked.events or [read(body, row) for row, body in enumerate(asked.bodies)]


def _received(worker: socket.socket) -> tuple[bytes, bool] | None:
    """What came, and whether it was waited for; None where nothing will come any more."""
    try:
        data, waited = worker.recv(_READ, socket.MSG_DONTWAIT), False
    except BlockingIOError:
        data, waited = worker.recv(_READ), True
    return (data, waited) if data else None


def _digest(row: bytes) -> bytes:
    return sha256(row).hexdigest().encode()


if __name__ == "__main__":
    sys.exit(main())
