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
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path

import msgspec

from mlops_cli.errors import MlopsError
from mlops_cli.serving.exact_rows import Packed
from mlops_cli.serving.following import load_served
from mlops_cli.serving.requests import RequestError
from mlops_cli.serving.rollouts.company import each_of_list, events_of, predict, predicted, quickest
from mlops_cli.serving.rollouts.messages import Frames, framed, read_asked
from mlops_cli.serving.roster import Entry
from mlops_cli.serving.served import Served
from mlops_cli.serving.settings import from_environment
from mlops_cli.serving.split import LISTED, Asked, Told

log = logging.getLogger(__name__)

RECENT = 256  # rows that are kept, to be company for one that is timed
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
        self._recent: deque[Packed] = deque(maxlen=RECENT)

    def answer(self, worker: socket.socket) -> None:
        """Until nobody asks any more. Single events that came together are predicted together."""
        frames = Frames()
        while data := worker.recv(_READ):
            begun = time.perf_counter()
            single: list[Asked] = []
            said: list[tuple[Asked, Told]] = []
            for content in frames.add(data):
                asked = read_asked(content)
                if asked.number == 0:
                    self._served.decoder.also = {name.decode() for name in asked.bodies}
                elif _is_single(asked):
                    single.append(asked)
                else:
                    said.append((asked, self._said(asked, time.perf_counter())))
            if single:
                said += zip(single, self._together(single, begun), strict=True)
            if said:
                worker.sendall(b"".join([framed(told) for _, told in said]))
            timed = [asked for asked, told in said if asked.rows and told.error is None]
            if timed:
                worker.sendall(b"".join([framed(self._timed(asked)) for asked in timed]))

    def _together(self, asked: Sequence[Asked], begun: float) -> list[Told]:
        """Single events, in one call of the model; one by one, where it raises over them."""
        served = self._served
        try:
            rows = [self._row(one) for one in asked]
            matrix = served.predictor.matrix([row for row, _ in rows])
            numbers = served.predictor.numbers(matrix)
            contents = served.predictor.contents(numbers)
            self._recent += [row for row, _ in rows]
        except Exception:  # noqa: BLE001  # whose fault it is, is found one by one
            return [self._said(one, begun) for one in asked]
        seconds = time.perf_counter() - begun
        return [
            Told(
                one.number,
                [contents[i]],
                numbers[i : i + 1].tobytes(),
                seconds=seconds,
                exact=rows[i][1],
                features=matrix[i].tobytes(),
            )
            for i, one in enumerate(asked)
        ]

    def _timed(self, asked: Asked) -> Told:
        """What was answered just now, again: see `company`."""
        try:
            if asked.rows == LISTED:
                seconds = asked.count * each_of_list(self._served, asked)
                return Told(asked.number, seconds=seconds)
            row, _ = self._row(asked)
            rows = [row, *islice(cycle(self._recent), asked.rows - 1)]
            taken = quickest(lambda: predict(self._served.predictor, rows))
            return Told(asked.number, seconds=taken, each=quickest(lambda: self._row(asked)))
        except Exception as e:  # noqa: BLE001  # it was answered: nothing is timed
            return Told(asked.number, error=type(e).__name__)

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
            contents = list(map(_encode, served.explain(events_of(served, asked))))
            return Told(asked.number, contents, seconds=time.perf_counter() - begun)
        matrix, numbers, contents = predicted(served, asked)
        digests = [_digest(row.tobytes()) for row in matrix]
        taken = time.perf_counter() - begun
        return Told(asked.number, contents, numbers.tobytes(), digests, taken)


def _is_single(asked: Asked) -> bool:
    return asked.count == 1 and not asked.explain


def _digest(row: bytes) -> bytes:
    return sha256(row).hexdigest().encode()


if __name__ == "__main__":
    sys.exit(main())
