"""`mlops run`: the door where stages knock; the first knock starts the parent."""

from __future__ import annotations

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mlops_cli.pipeline.warm.door import DOOR, address


@contextmanager
def warm_parent() -> Iterator[None]:
    """While this holds, stages of the pipeline are forked from one parent that knows its modules.

    The parent starts when the first stage knocks: nothing to do costs nothing. It ends with this
    process, however that ends, and takes its child with it.
    """
    if not supported():
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        name = f"mlops-{os.getpid()}-{secrets.token_hex(8)}"
        listener.bind(address(name))
        listener.listen()
        doorkeeper = _Doorkeeper(listener)
        os.environ[DOOR] = name
        doorkeeper.start()
        try:
            yield
        finally:
            del os.environ[DOOR]
            doorkeeper.close()


def supported() -> bool:
    """Whether this system can name a process by a descriptor (Linux 5.3 and later)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class _Doorkeeper(threading.Thread):
    """Starts the parent at the first knock, and lives as long as it.

    The kernel kills the parent when the thread that started it ends: this one, hence it waits.
    """

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(name="warm-parent", daemon=True)
        self._listener = listener
        self._closed, self._close = os.pipe()

    def run(self) -> None:
        knocked = select.poll()
        knocked.register(self._listener, select.POLLIN)
        knocked.register(self._closed, select.POLLIN)
        if any(fd == self._closed for fd, _ in knocked.poll()):
            return
        # Ctrl-C reaches the whole group; the parent must not be ended by what is for its child.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTSTP, signal.SIGQUIT})
        parent = subprocess.Popen(
            self._command(), pass_fds=[self._listener.fileno()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.read(self._closed, 1)
        parent.kill()
        parent.wait()

    def close(self) -> None:
        """End the parent, and this thread."""
        os.close(self._close)
        self.join()
        os.close(self._closed)

    def _command(self) -> list[str]:
        # -P: a file of the project's folder must not stand for a library's module
        door = ("stage", "--warm", str(self._listener.fileno()), str(os.getpid()))
        return [sys.executable, "-P", "-m", "mlops_cli", *door]
