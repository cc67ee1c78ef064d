"""The prediction log: what was asked and what was said, a line of JSON for each row."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from mlops_cli.bundle.reader import Bundle
from mlops_cli.serving.entry import Entry
from mlops_cli.serving.lines import Answered, Said
from mlops_cli.serving.lines import lines as together
from mlops_cli.serving.logged_columns import Asked, Counted, Scheme
from mlops_cli.serving.segment_writer import SegmentWriter
from mlops_cli.serving.segments import PREDICTIONS
from mlops_cli.serving.settings import Log

CHUNK = 1024 * 1024  # bytes that go to the writer at once: to wake a thread costs more than a row
TOGETHER = 64  # requests of one event whose lines are made at once
EVERY = 0.2  # seconds after which fewer go, too: a process that is killed loses no more

Tell = Callable[[int, int], None]
_encode = msgspec.json.Encoder().encode
_FAILED = b'%bnull,"prediction":null,"error":%b,"ms":%.3f}\n'
_SCHEMES = 64
_SAMPLED = 2.0**32


class PredictionLog:
    """The log of one process: lines are gathered here, and written by another thread.

    `tell` hears how many lines were written and how many dropped since it heard last. Digests of
    columns are HMACs under `secret`, where there is one.
    """

    def __init__(
        self, folder: Path, settings: Log, tell: Tell, *, secret: bytes | None = None
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._tell = tell
        self._writer = SegmentWriter(folder, PREDICTIONS, settings)
        self._all = settings.sample >= 1
        self._schemes: dict[tuple[str, str, Counted | None], Scheme] = {}
        self._last: tuple[Bundle | None, str, Counted | None, Scheme | None]
        self._last = None, "", None, None
        self._counted = (0, 0)
        self._ticks = False
        self._answered: list[Answered] = []
        self._ended: deque[Entry] = deque()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._lines = 0

    def begin(
        self,
        bundle: Bundle,
        request_id: bytes,
        key: str | None,
        variant: str,
        counted: Counted | None = None,
    ) -> Entry | None:
        """An entry for a request that came with the API key `key`; None: not in the sample.

        `variant` is what the bundle's version is in the traffic; `counted`: see `scheme`.
        """
        if not self.keeps(request_id):
            return None
        return Entry(self, self.scheme(bundle, variant, counted), request_id, key)

    def answered(self, asked: Asked, said: Said, place: int, seconds: float) -> None:
        """A request of one event got an answer; its line is made with those of others."""
        self._answered.append((asked, said, place, seconds))
        if len(self._answered) >= TOGETHER:
            self._make_lines()
        elif not self._ticks:
            self._begin_ticks()

    def failed(self, opening: bytes, error: str, seconds: float) -> None:
        """The model failed at a request of one event; `error` is the kind of its fault."""
        self._gather(_FAILED % (opening, _encode(error), seconds * 1000), 1)

    def keeps(self, request_id: bytes) -> bool:
        """Whether a request is in the sample: by its id, so that all who log it decide alike."""
        return self._all or in_sample(request_id, self._settings.sample)

    def scheme(self, bundle: Bundle, variant: str, counted: Counted | None = None) -> Scheme:
        """What is kept of a version's events, and how, while it is a `variant`.

        `counted` is where a rollout counts them: see `Scheme`.
        """
        of, said, where, scheme = self._last
        if of is bundle and said == variant and where is counted and scheme is not None:
            return scheme
        key = bundle.digest, variant, counted
        scheme = self._schemes.get(key)
        if scheme is None:
            if len(self._schemes) >= _SCHEMES:  # of versions that are loaded no more, most of them
                self._schemes.clear()
            scheme = Scheme(
                bundle, self._settings, variant=variant, secret=self._secret, counted=counted
            )
            self._schemes[key] = scheme
        self._last = bundle, variant, counted, scheme
        return scheme

    def ended(self, entry: Entry) -> None:
        """A request is answered: its lines are made in the next turn, when its answer is written.

        At the latest they are when more is taken.
        """
        self._ended.append(entry)
        asyncio.get_running_loop().call_soon(self._make_lines)

    def _make_lines(self) -> None:
        """Make the lines of requests that were answered, those of one event all at once."""
        if self._answered:
            answered, self._answered = self._answered, []
            self._gather(together(answered), len(answered))
        while self._ended:
            self._gather(*self._ended.popleft().lines())

    def _gather(self, content: bytes, lines: int) -> None:
        if not lines:
            return
        if not self._ticks:
            self._begin_ticks()
        self._waiting.append(content)
        self._bytes += len(content)
        self._lines += lines
        if self._bytes >= CHUNK:
            self._put()

    def _begin_ticks(self) -> None:
        self._ticks = True
        asyncio.get_running_loop().call_later(EVERY, self._tick)

    def _tick(self) -> None:
        self.flush()
        self._count()
        self._ticks = self._writer.busy
        if self._ticks:
            asyncio.get_running_loop().call_later(EVERY, self._tick)

    def _count(self) -> None:
        counted, self._counted = self._counted, (self._writer.written, self._writer.dropped)
        self._tell(*(now - before for now, before in zip(self._counted, counted, strict=True)))

    def flush(self) -> None:
        """Give the writer what there is."""
        self._make_lines()
        self._put()

    def _put(self) -> None:
        if self._waiting:
            self._writer.put(self._waiting, self._bytes, self._lines)
            self._waiting, self._bytes, self._lines = [], 0, 0

    def close(self) -> None:
        """Write what there is, and close the segment."""
        self.flush()
        self._writer.close()
        self._count()


def in_sample(request_id: bytes, share: float) -> bool:
    """Whether a log that keeps this share of the requests keeps the one of this id."""
    return int.from_bytes(hashlib.sha256(request_id).digest()[:4]) < share * _SAMPLED
