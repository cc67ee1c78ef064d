"""Which versions every worker is to have, and which of them is the default: in shared memory.

A change is made by one worker at a time; the others see that the generation is another one.
"""

from __future__ import annotations

import mmap
import time

import msgspec

from mlops_cli.serving.turns import Turns

_SIZE = 256 * 1024
_HEAD = 16  # bytes: the generation, odd while it is written, and the content's length
_TRIES = 500


class Entry(msgspec.Struct, frozen=True):
    """A version by the folder of its bundle, and the bundle's digest."""

    path: str
    digest: str


class Wanted(msgspec.Struct, frozen=True):
    """The versions that are to be loaded; `default` is the digest of one of them."""

    entries: tuple[Entry, ...]
    default: str


_read_wanted = msgspec.json.Decoder(Wanted).decode


class Roster:
    """Made before workers are forked, who all read and write it."""

    def __init__(self, first: Entry) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._words = memoryview(self._memory)[:_HEAD].cast("Q")
        self.turns = Turns()
        self.write(Wanted((first,), first.digest))

    @property
    def generation(self) -> int:
        """Another number after each change."""
        return int(self._words[0])

    def read(self) -> tuple[int, Wanted]:
        """The generation, and what it wants."""
        for _ in range(_TRIES):
            before = self.generation
            content = self._memory[_HEAD : _HEAD + self._words[1]]
            if before % 2 == 0 and before == self.generation:
                break
            time.sleep(0.001)
        return before, _read_wanted(content)

    def write(self, wanted: Wanted) -> int:
        """Want this from now on; returns the generation. Only in a turn.

        Raises `ValueError` where it is more than fits.
        """
        content = msgspec.json.encode(wanted)
        if len(content) > _SIZE - _HEAD:
            raise ValueError("there are too many versions")
        begun = self.generation | 1
        self._words[0] = begun
        self._memory[_HEAD : _HEAD + len(content)] = content
        self._words[1] = len(content)
        self._words[0] = begun + 1
        return begun + 1
