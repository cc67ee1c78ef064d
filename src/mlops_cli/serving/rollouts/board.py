"""What all workers of a service know of its rollout, in memory that they share.

A document is prepared by every worker and then takes effect for all of them at once: `current`,
which each request looks at, is one word.
"""

from __future__ import annotations

import mmap
import secrets

from mlops_cli.serving.rollouts.arms import Tallies
from mlops_cli.serving.turns import Turns

LARGEST = 1024 * 1024  # bytes of a document: what a ConfigMap holds
_WANTED, _CURRENT, _LENGTHS, _WORKERS = 0, 1, 2, 4  # words; two lengths, and two words a worker


class RolloutBoard:
    """Made before workers are forked. `boot` names this start of the service.

    Turns count what was ever to take effect; an empty document is none.
    """

    def __init__(self, workers: int, first: bytes = b"") -> None:
        self.boot = secrets.token_hex(8)
        self.tallies = Tallies(workers)
        self._workers = workers
        self._texts = mmap.mmap(-1, 2 * LARGEST)
        words = _WORKERS + 2 * workers
        self.words = memoryview(mmap.mmap(-1, words * 8)).cast("Q")
        self.turns = Turns()
        if first:
            self.make_current(self.want(first))

    @property
    def wanted(self) -> int:
        """The turn that is to be prepared."""
        return int(self.words[_WANTED])

    @property
    def current(self) -> int:
        """The turn that is in effect."""
        return int(self.words[_CURRENT])

    def text(self, turn: int) -> bytes:
        """The document of the turn that is current or wanted."""
        which = turn % 2
        return self._texts[which * LARGEST : which * LARGEST + self.words[_LENGTHS + which]]

    def want(self, text: bytes) -> int:
        """Have all workers prepare a document; returns its turn. Only in a turn."""
        turn = self.wanted + 1
        if turn % 2 == self.current % 2:  # what is in effect is kept
            turn += 1
        which = turn % 2
        self._texts[which * LARGEST : which * LARGEST + len(text)] = text
        self.words[_LENGTHS + which] = len(text)
        self.words[_WANTED] = turn
        return turn

    def make_current(self, turn: int) -> None:
        """Let a turn that all have prepared take effect. Only in a turn."""
        self.words[_CURRENT] = turn

    def prepared(self, worker: int, turn: int, *, refused: bool = False) -> None:
        """A worker has prepared a turn, or cannot."""
        self.words[_WORKERS + 2 * worker + 1] = turn if refused else 0
        self.words[_WORKERS + 2 * worker] = turn

    def all_prepared(self, turn: int) -> bool:
        """Whether all workers have prepared it, or cannot."""
        return all(self.words[_WORKERS + 2 * w] >= turn for w in range(self._workers))

    def refused(self, turn: int) -> bool:
        """Whether one of them cannot."""
        return any(self.words[_WORKERS + 2 * w + 1] == turn for w in range(self._workers))
