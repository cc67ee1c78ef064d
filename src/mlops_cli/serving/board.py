"""Counters in memory that processes share: a block of named cells for each that writes.

A cell has one writer, so that counting takes no lock; who reads sums over the blocks. The memory
is of no file: it is there before the workers are forked, and what a killed one counted stays.
"""

from __future__ import annotations

import mmap
import time
from collections import Counter
from collections.abc import Iterator

_ENTRY = 128  # bytes: a name, filled up with zeros, and its number
_NAME = _ENTRY - 8
_ENTRIES = 512  # of a block; the first is its header
_BLOCK = _ENTRY * _ENTRIES
_WORDS = _ENTRY // 8
_USED, _TURN, _GAUGES = 0, 1, 2  # words of a header
GAUGES = 4
OVERFLOW = "mlops_metrics_overflow_total"  # what found no cell any more
_TRIES = 500  # a millisecond apart: a writer may have to wait for its turn of the processor


class Board:
    """The memory, with blocks for `writers`."""

    def __init__(self, writers: int = 1) -> None:
        self.writers = writers
        self._memory = mmap.mmap(-1, writers * _BLOCK)
        self.words = memoryview(self._memory).cast("Q")
        step = _BLOCK // 8
        self._gauges = [range(_GAUGES + g, writers * step, step) for g in range(GAUGES)]

    def totals(self) -> dict[str, int]:
        """Every name with its sum over all blocks."""
        found: Counter[str] = Counter()
        for writer in range(self.writers):
            for _, name, value in self.entries(writer):
                found[name] += value
        return dict(found)

    def gauge(self, which: int) -> int:
        """The sum of what the blocks show now, of one of `GAUGES`."""
        words = self.words
        return sum([words[at] for at in self._gauges[which]])

    def each(self, which: int) -> list[int]:
        """What each block shows now, of one of `GAUGES`."""
        return [self.words[at] for at in self._gauges[which]]

    def entries(self, writer: int) -> Iterator[tuple[int, str, int]]:
        """Place, name and number of each cell in a block, all as they were at one moment."""
        content = self._copy(writer * _BLOCK)
        for at in range(_ENTRY, len(content), _ENTRY):
            if name := content[at : at + _NAME].rstrip(b"\0"):
                number = int.from_bytes(content[at + _NAME : at + _ENTRY], "little")
                yield at // _ENTRY, name.decode(), number

    def _copy(self, start: int) -> bytes:
        words, turn = self.words, start // 8 + _TURN
        for _ in range(_TRIES):
            before = words[turn]
            content = self._memory[start : start + _ENTRY * (words[start // 8 + _USED] + 1)]
            if before % 2 == 0 and words[turn] == before:
                break
            time.sleep(0.001)
        return content


class Block:
    """The cells of one writer; a worker that follows one that died goes on with its block."""

    def __init__(self, board: Board, writer: int) -> None:
        self.board = board
        self.words = board.words
        self._start = writer * _BLOCK // 8
        self.gauges = self._start + _GAUGES  # the word of the first
        self._places = {name: self._word(place) for place, name, _ in board.entries(writer)}
        taken = set(self._places.values())
        used = range(1, self.words[self._start + _USED] + 1)
        self._free = [word for word in map(self._word, used) if word not in taken]
        self.words[self._start + _TURN] &= ~1  # one that died in `_change`
        for which in range(GAUGES):
            self.show(which, 0)

    def cell(self, name: str) -> int:
        """The word of the cell of that name: `words[cell] += 1` counts."""
        found = self._places.get(name)
        if found is None:
            found = self._places[name] = self._new(name)
        return found

    def show(self, which: int, number: int) -> None:
        """Show the present number of a gauge."""
        self.words[self._start + _GAUGES + which] = number

    def move(self, name: str, to: str) -> None:
        """Add a cell's number to another one and give the cell up; no reader sees it half done."""
        if name not in self._places:
            return
        target, word = self.cell(to), self._places.pop(name)
        turn = self._start + _TURN
        self.words[turn] += 1
        self.words[target] += self.words[word]
        self._fill(word, b"")
        self.words[word] = 0
        self.words[turn] += 1
        self._free.append(word)

    def names(self) -> list[str]:
        """The names of all its cells."""
        return list(self._places)

    def _new(self, name: str) -> int:
        if self._free:
            word = self._free.pop()
        else:
            place = self.words[self._start + _USED] + 1
            if place == _ENTRIES:
                return self._places[OVERFLOW]
            if place == _ENTRIES - 1:  # the last one
                name, self._places[OVERFLOW] = OVERFLOW, self._word(place)
            word = self._word(place)
        self._fill(word, name.encode())
        self.words[self._start + _USED] = max(
            self.words[self._start + _USED], (word - self._start) // _WORDS
        )
        return word

    def _word(self, place: int) -> int:
        return self._start + place * _WORDS + _WORDS - 1

    def _fill(self, word: int, name: bytes) -> None:
        if len(name) > _NAME:
            raise ValueError(f"the name of a metric is longer than {_NAME} bytes: {name!r}")
        padded = memoryview(name.ljust(_NAME, b"\0")).cast("Q")
        self.words[word - _WORDS + 1 : word] = padded
