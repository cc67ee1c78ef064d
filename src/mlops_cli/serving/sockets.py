"""Listening sockets: opened by name, and closed without losing who already knocked."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import select
import signal
import socket
import struct
import sys
import termios
from collections.abc import Iterator

from mlops_cli.errors import EnvironmentFault

LAST_OWNER = signal.SIGUSR1  # to a worker: leave; nobody else takes from your inherited socket
ONE_STOP = 1.0  # seconds within which two signals are one stop, told by two
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python's socket module does not name it
# Classic BPF over a TCP header: load byte 13 (the flags), mask SYN and ACK, drop a lone SYN, pass
# all else. Handshakes under way complete, new ones do not begin.
_NO_NEW_HANDSHAKES = (
    (0x30, 0, 0, 13),
    (0x54, 0, 0, 0x12),
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port` (0: any free one); it does not listen yet.

    Raises `EnvironmentFault` naming the port that is in use or not allowed, or the host that
    cannot be resolved.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as e:
        raise EnvironmentFault(f"cannot listen on {host}:{port}: {e}") from e
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except (OSError, OverflowError) as e:
        bound.close()
        raise cannot_listen(host, port, e) from e
    return bound


def cannot_listen(host: str, port: int, cause: Exception) -> EnvironmentFault:
    """The error that says why nothing can listen there, and what to do."""
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return EnvironmentFault(
            f"port {port} of {host} is in use",
            hint="stop what listens there, or take another with --port",
        )
    return EnvironmentFault(f"cannot listen on {host}:{port}: {cause}", hint="try another --port")


def refuse_new_handshakes(listener: socket.socket) -> None:
    """Let the kernel drop further SYNs, so that nobody enters a queue about to be thrown away.

    Their clients try again a second later and are refused by the closed port. Linux only; where it
    cannot be had, a connection made in the microseconds before closing may be reset.
    """
    if not sys.platform.startswith("linux"):
        return
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _NO_NEW_HANDSHAKES)
    program = ctypes.create_string_buffer(code, len(code))
    count = len(_NO_NEW_HANDSHAKES)
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET,
            _SO_ATTACH_FILTER,
            struct.pack("@HP", count, ctypes.addressof(program)),
        )


def waiting(listener: socket.socket, most: int | None = None) -> Iterator[socket.socket]:
    """Accept the connections that stand in the queue, until it is empty or `most` are taken.

    Raises `OSError` where no more files may be open.
    """
    listener.setblocking(False)
    taken = 0
    while most is None or taken < most:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except ConnectionAbortedError:
            continue  # the client left while it waited
        connection.setblocking(False)
        taken += 1
        yield connection


def unsent(descriptor: int) -> bool:
    """Whether the kernel has bytes that the other side has not yet; False where it cannot tell."""
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    except (OSError, ValueError):
        return False
    return bool(count)


def has_left(descriptor: int) -> bool:
    """Whether the other side of a socket has closed, though what it sent may not be read yet.

    False where the platform cannot tell.
    """
    closed = getattr(select, "POLLRDHUP", 0)
    if descriptor < 0 or not closed:
        return False
    looked_at = select.poll()
    looked_at.register(descriptor, closed)
    return bool(looked_at.poll(0))
