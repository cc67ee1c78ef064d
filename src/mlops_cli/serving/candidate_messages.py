"""What a worker and the process of its candidate say to each other: frames of msgpack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

LARGEST = 64 * 1024 * 1024  # bytes of a frame
_HEAD = 4


class Asked(msgspec.Struct, array_like=True, gc=False):
    """Events to be predicted: objects of JSON, or values by name. `explain`: with contributions."""

    number: int
    bodies: list[bytes] = []
    events: list[dict[str, Any]] = []
    explain: bool = False


class Told(msgspec.Struct, array_like=True, gc=False):
    """What the candidate says of them.

    `contents` are its predictions as JSON, `numbers` the model's own (float64, row by row) and
    `digests` those of the features. `seconds` is how long it worked. `error` is the kind of a fault
    and `why` its text; `row` and `field` of one that is the event's own. Number 0 is the hello.
    One that is `cold` took longer than it would without a pause before; where it is `retimed`
    another message tells its `seconds` alone. `exact`: the event's values had their inputs' types,
    and it held nothing else.
    """

    number: int
    contents: list[bytes] = []
    numbers: bytes = b""
    digests: list[bytes] = []
    seconds: float = 0.0
    error: str | None = None
    why: str = ""
    refused: bool = False
    row: int | None = None
    field: str | None = None
    cold: bool = False
    retimed: bool = False
    exact: bool = False


_encode = msgspec.msgpack.Encoder().encode
read_asked = msgspec.msgpack.Decoder(Asked).decode
read_told = msgspec.msgpack.Decoder(Told).decode


def framed(message: Asked | Told) -> bytes:
    """A message as it is sent."""
    content = _encode(message)
    return len(content).to_bytes(_HEAD, "little") + content


class Frames:
    """Puts together what comes in pieces."""

    def __init__(self) -> None:
        self._held = bytearray()

    def add(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole by now; raises `ValueError` for what is none."""
        held = self._held
        if held:  # most often a piece is whole messages, and is not copied
            held += data
        source = held or data
        at = 0
        try:
            while len(source) - at >= _HEAD:
                size = int.from_bytes(source[at : at + _HEAD], "little")
                if size > LARGEST:
                    raise ValueError("a message is too large")
                if len(source) - at < _HEAD + size:
                    break
                content = bytes(source[at + _HEAD : at + _HEAD + size])
                at += _HEAD + size
                yield content
        finally:
            if source is held:
                del held[:at]
            else:
                held += data[at:]
