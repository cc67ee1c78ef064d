"""How long a body is said to be, and how it is read where the header was read already."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mlops_cli.serving.requests import MAX_BODY

READ = 8 * MAX_BODY  # bytes of a body that are read although it is refused
_LENGTHS = (b"content-length", b"transfer-encoding")


def length_of(digits: bytes) -> int:
    """The number that a `content-length` says, which may begin with thousands of zeros."""
    digits = digits.lstrip(b"0")
    return int(digits or b"0") if len(digits) < 20 else READ + 1


def head_of_body(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A head that tells a parser no more than how long the body is."""
    length = [b": ".join(header) for header in headers if header[0] in _LENGTHS]
    return b"\r\n".join([b"POST / HTTP/1.1", b"connection: close", *length, b"", b""])


class BodyAlone:
    """What a parser tells that begins with the header of a request which is known already."""

    def __init__(self, on_body: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.on_body = on_body
        self.on_message_complete = on_end
