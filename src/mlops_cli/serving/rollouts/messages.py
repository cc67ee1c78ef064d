"""What a worker and the process of its candidate send to each other: frames of msgpack."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from mlops_cli.serving.split import Asked, Told

LARGEST = 64 * 1024 * 1024  # bytes of a frame
_HEAD = 4
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
