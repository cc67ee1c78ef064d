"""`mlops run`: the door where stages knock; the first knock starts the parent."""

from __future__ import annotations

import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlops_cli.errors import MlopsError
from mlops_cli.pipeline.forkserver.protocol import DO_IT_YOURSELF, SOCKET, address


@contextmanager
def warm_parent(*, at_once: bool = False) -> Iterator[None]:
    """While this holds, stages of the pipeline are forked from one parent that knows its modules.

    The parent starts when the first stage knocks: nothing to do costs nothing; or `at_once`, where
    it is known that there is something to do. It ends with this process, however that ends, and
    takes its child with it.
    """
    if not supported():
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        name = f"mlops-{os.getpid()}-{secrets.token_hex(8)}"
        listener.bind(address(name))
        listener.listen()
        doorkeeper = _Doorkeeper(listener, at_once=at_once)
        os.environ[SOCKET] = name
        doorkeeper.start()
        try:
            yield
        except MlopsError as e:
            if doorkeeper.interrupted():  # a stage that it ended before it could say so
                raise KeyboardInterrupt from e
            raise
        finally:
            del os.environ[SOCKET]
            doorkeeper.close()


def supported() -> bool:
    """Whether this system can name a process by a descriptor (Linux 5.3 and later)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class _Doorkeeper(threading.Thread):
    """Starts the parent, at the first knock or at once, and lives as long as the run.

    The kernel kills the parent when the thread that started it ends: this one, hence it waits.
    Where there is no parent (any more), whoever knocks is told to do the work itself.
    """

    def __init__(self, listener: socket.socket, *, at_once: bool = False) -> None:
        super().__init__(name="warm-parent", daemon=True)
        self._listener = listener
        self._at_once = at_once
        self._parent: int | None = None
        self._closed, self._close = os.pipe()

    def run(self) -> None:
        if not self._at_once and not self._comes(self._listener.fileno()):
            return
        with suppress(OSError):  # no process or no memory is left to start one
            self._keep_parent()
        while self._comes(self._listener.fileno()):
            _refuse(self._listener)

    def _comes(self, awaited: int) -> bool:
        """Wait for something to be read from the descriptor; False where the run ends before."""
        events = select.poll()
        events.register(awaited, select.POLLIN)
        events.register(self._closed, select.POLLIN)
        return all(fd != self._closed for fd, _ in events.poll())

    def _keep_parent(self) -> None:
        # Ctrl-C reaches the whole group; the parent must not be ended by what is for its child.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTSTP, signal.SIGQUIT})
        with subprocess.Popen(
            self._command(), pass_fds=[self._listener.fileno()], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as parent:  # fmt: skip
            self._parent = parent.pid
            ended = os.pidfd_open(parent.pid)
            self._comes(ended)
            os.close(ended)
            parent.kill()

    def interrupted(self) -> bool:
        """Whether Ctrl-C came since the parent was started, in which it stays pending."""
        with suppress(OSError):
            status = Path(f"/proc/{self._parent}/status").read_text(encoding="ascii")
            pending = re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.M)
            return pending is not None and bool(int(pending[1], 16) & 1 << signal.SIGINT - 1)
        return False

    def close(self) -> None:
        """End the parent, and this thread."""
        os.close(self._close)
        self.join()
        os.close(self._closed)

    def _command(self) -> list[str]:
        # -P: a file of the project's folder must not stand for a library's module
        door = ("stage", "--warm", str(self._listener.fileno()), str(os.getpid()))
        return [sys.executable, "-P", "-m", "mlops_cli", *door]


def _refuse(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.sendall(DO_IT_YOURSELF)
        while connection.recv(1 << 16):  # closed with a request unread, it would be reset
            pass
