"""What both arms of a rollout have answered, counted in memory that all workers share.

Each worker has a block of its own, so that counting takes no lock; what one that was killed has
counted stays. A record is of one step of one rollout and one arm.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from mlops_cli.serving.logged_columns import Counted
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Arm

SHORTEST = 50e-6  # seconds: the upper end of latency's bucket 0
GROWTH = 1.05  # of a bucket over the one before
BUCKETS = 300  # the last ends at 108 s
STEPS = 64  # of one rollout that are told apart
_ENDS = tuple(SHORTEST * GROWTH**i for i in range(BUCKETS - 1))
_ARMS: tuple[Arm, ...] = (CHAMPION, CANDIDATE)
_RECORDS = STEPS * len(_ARMS)
_ROLLOUT, _STEP, _ARM, _ERRORS, _DROPPED, _ANSWERED, _SUM, _SQUARES, _LATENCY = range(9)
_QUICKER = _LATENCY + BUCKETS
_WORDS = _QUICKER + BUCKETS
_BLOCK = _RECORDS * _WORDS  # words


def bucket(seconds: float) -> int:
    """The bucket of a latency: i holds (1.05^(i-1), 1.05^i] times 50 microseconds."""
    return bisect_left(_ENDS, seconds)


@dataclass(slots=True)
class Tally:
    """One arm at one step, as all workers counted it; `latency` by bucket.

    `quicker` are, by bucket, the lesser of each two that were taken of both arms together.
    """

    step: int
    arm: Arm
    requests: int = 0
    errors: int = 0
    dropped: int = 0
    answered: int = 0
    sum: float = 0.0
    squares: float = 0.0
    latency: dict[int, int] = field(default_factory=dict)
    quicker: dict[int, int] = field(default_factory=dict)


class Tallies:
    """The memory, with a block for each of so many workers; made before they are forked."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        memory = mmap.mmap(-1, workers * _BLOCK * 8)
        self.words = memoryview(memory).cast("Q")
        self.numbers = memoryview(memory).cast("d")

    def of(self, salt: str) -> list[Tally]:
        """What was counted in a rollout, by step."""
        found: dict[tuple[int, Arm], Tally] = {}
        for at in self._records(_rollout(salt), range(self._workers)):
            words, numbers = self.words, self.numbers
            step, arm = words[at + _STEP], _ARMS[words[at + _ARM]]
            tally = found.setdefault((step, arm), Tally(step, arm))
            tally.errors += words[at + _ERRORS]
            tally.dropped += words[at + _DROPPED]
            tally.answered += words[at + _ANSWERED]
            tally.requests = tally.answered + tally.errors
            tally.sum += numbers[at + _SUM]
            tally.squares += numbers[at + _SQUARES]
            for own, begin in ((tally.latency, _LATENCY), (tally.quicker, _QUICKER)):
                for place, count in enumerate(words[at + begin : at + begin + BUCKETS].tolist()):
                    if count:
                        own[place] = own.get(place, 0) + count
        return sorted(found.values(), key=lambda t: (t.step, t.arm != CHAMPION))

    def arm(self, worker: int, salt: str, step: int, arm: Arm) -> Counter:
        """Where a worker counts for an arm at a step; what is of other rollouts makes room.

        A step too many is counted with the last that there was room for.
        """
        counted = Counted(salt, step, arm)
        rollout, which = _rollout(salt), _ARMS.index(arm)
        last = None
        for at in self._records(rollout, (worker,)):
            if self.words[at + _ARM] == which:
                last = at
                if self.words[at + _STEP] == step:
                    return Counter(self, at, counted)
        block = range(worker * _BLOCK, (worker + 1) * _BLOCK, _WORDS)
        free = [at for at in block if self.words[at] != rollout]
        if not free:
            return Counter(self, last if last is not None else block[-1], counted)
        at = min(free, key=lambda at: self.words[at] != 0)  # one that was never used, if any
        for word in range(at, at + _WORDS):
            self.words[word] = 0
        self.words[at + _STEP], self.words[at + _ARM] = step, which
        self.words[at] = rollout  # it is one from here on
        return Counter(self, at, counted)

    def _records(self, rollout: int, workers: range | tuple[int, ...]) -> Iterator[int]:
        for worker in workers:
            for at in range(worker * _BLOCK, (worker + 1) * _BLOCK, _WORDS):
                if self.words[at] == rollout:
                    yield at


class Counter:
    """Counts for one arm at one step, in one worker; latencies only while it is `warm`.

    `counted` is how the log says where. `every`: each request's latency counts, since no other arm
    is here to which it is held.
    """

    __slots__ = (
        "_answered", "_at", "_latency", "_numbers", "_squares", "_sum", "_words",
        "counted", "every", "warm",
    )  # fmt: skip

    def __init__(self, tallies: Tallies, at: int, counted: Counted) -> None:
        self.counted = counted
        self._words = tallies.words
        self._numbers = tallies.numbers
        self._at = at
        self._answered, self._latency = at + _ANSWERED, at + _LATENCY
        self._sum, self._squares = at + _SUM, at + _SQUARES
        self.every = self.warm = False

    def answered(self, mean: float | None, seconds: float | None = None) -> None:
        """A request was answered: the mean of its predictions, None where they are no single
        numbers, and its latency."""
        words = self._words
        words[self._answered] += 1
        if mean is not None:
            numbers = self._numbers
            numbers[self._sum] += mean
            numbers[self._squares] += mean * mean
        if self.every and seconds is not None:
            self.took(seconds)

    def took(self, seconds: float) -> None:
        """One of those that were answered took so long."""
        if self.warm:
            self._words[self._latency + bucket(seconds)] += 1

    def took_beside(self, seconds: float, other: float) -> None:
        """One of those took so long, and so long of the other arm."""
        if self.warm:
            self.took(seconds)
            self._words[self._at + _QUICKER + bucket(min(seconds, other))] += 1

    def failed(self) -> None:
        """A request was not answered by this arm, and should have been."""
        self._words[self._at + _ERRORS] += 1

    def dropped(self) -> None:
        """A request was not mirrored, since too many waited."""
        self._words[self._at + _DROPPED] += 1


def _rollout(salt: str) -> int:
    return int.from_bytes(sha256(salt.encode()).digest()[:8], "big") | 1
