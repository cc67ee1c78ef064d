"""What passes between client and parent: a name, a request, and the proof of who asks."""

from __future__ import annotations

import os
import socket
import struct

SOCKET = "MLOPS_FORKSERVER"  # the socket's name, in the environment of what the leader starts
DO_IT_YOURSELF = b"n"  # the answer to a client that no child can be forked for
INTERRUPTED = b"i"  # the answer to a client after Ctrl-C

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_LENGTH = struct.Struct("!I")


def address(name: str) -> str:
    """An abstract socket: it stands in no folder, so that nothing is left of a killed run."""
    return f"\0{name}"


def same_user(connection: socket.socket) -> bool:
    """Whether the other end is of this process's user; no folder's rights guard the name."""
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(said)
    return bool(user == os.getuid())


def pack(parts: list[bytes]) -> bytes:
    """Texts of a process (arguments, folder, environment): none of them can hold a zero byte."""
    body = b"\0".join(parts)
    return _LENGTH.pack(len(body)) + body


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """`size` bytes, or fewer where the other end closes before."""
    read = bytearray()
    while len(read) < size and (more := connection.recv(size - len(read))):
        read += more
    return bytes(read)


def unpack(connection: socket.socket) -> list[bytes] | None:
    """The parts of a request; None where the other end closes before it is whole."""
    head = read_exactly(connection, _LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    body = read_exactly(connection, size)
    return body.split(b"\0") if len(body) == size else None
