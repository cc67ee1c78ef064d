"""One serving process on a listening socket: started, heard, ended."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mlops_cli._files import write_secret
from mlops_cli.serving.contract import DRAIN
from mlops_cli.serving.sockets import LAST_OWNER
from mlops_cli.serving.workers import SILENCE_LIMIT
from mlops_cli.targets.local.control import Wanted

START_LIMIT = 120.0  # seconds until a worker that says nothing is given up
_REASON_LIMIT = 2000
_PR_SET_PDEATHSIG = 1
_SECRETS = "secrets.json"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; connections wait in it while no worker accepts. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


@dataclass(slots=True)
class Worker:
    """A serving process of `wanted` that accepts on `listener`, which it does not own.

    `ready_pipe` is where it says so, and gives its signs of life; `silent` once it has closed its
    end. `silence` is how long, in seconds of our own looking, it gave none. `last` is for one that
    nobody follows on its listener.
    """

    wanted: Wanted
    listener: socket.socket
    process: subprocess.Popen[bytes]
    ready_pipe: int
    started: float = field(default_factory=time.monotonic)
    ready: bool = False
    said: bytes = b""
    silent: bool = False
    last: bool = False
    ended_at: float | None = None
    silence: float = 0.0
    looked: float = field(default_factory=time.monotonic)

    def failure(self) -> str | None:
        """Why it is not up and never will be; None while it starts and when it is ready.

        A ready one gives a sign of life every second, or it hangs.
        """
        self._read()
        if self.ready:
            if self.silence > SILENCE_LIMIT:
                return f"it gave no sign of life for {SILENCE_LIMIT:.0f} s"
            return None
        line, end, _ = self.said.decode(errors="replace").partition("\n")
        if end and line == "ready":
            self.ready = True
            return None
        if end:
            return line.removeprefix("failed: ")[:_REASON_LIMIT]
        if (code := self.process.poll()) is not None:
            return f"the server ended with exit code {code} before it was ready"
        if time.monotonic() - self.started > START_LIMIT:
            return f"the server was not ready within {START_LIMIT:.0f} s"
        return None

    def exited(self) -> bool:
        """Whether the process is gone."""
        return self.process.poll() is not None

    def end(self) -> None:
        """Ask it to finish what it has and go; killed when that takes longer than the limit."""
        if self.ended_at is None:
            self.ended_at = time.monotonic()
            self.process.send_signal(LAST_OWNER if self.last else signal.SIGTERM)
        elif time.monotonic() - self.ended_at > DRAIN:
            self.process.kill()

    def kill(self) -> None:
        """End it at once, with whatever it has."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Forget the pipe of a process that is gone."""
        os.close(self.ready_pipe)

    def _read(self) -> None:
        now = time.monotonic()
        # No longer than a second a look: a machine that stood still is no silence of the worker.
        self.silence += min(1.0, now - self.looked)
        self.looked = now
        with suppress(BlockingIOError):
            said = os.read(self.ready_pipe, 4096)
            self.silent = not said
            if not self.ready:
                self.said += said
            if said:
                self.silence = 0.0


def start_worker(wanted: Wanted, listener: socket.socket) -> Worker:
    """Start a server that inherits `listener` and dies with this process, whatever ends that."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        process = subprocess.Popen(
            _command(wanted, listener.fileno(), writing),
            env={**os.environ, **wanted.settings, **_secrets(Path())},
            pass_fds=(listener.fileno(), writing),
            stdin=subprocess.DEVNULL,
            preexec_fn=_in_child(),  # safe: the supervisor has one thread
        )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return Worker(wanted, listener, process, reading)


def keep_secrets(folder: Path, secrets: Mapping[str, str]) -> None:
    """Leave in the control's folder what servers get beside their settings, for its owner alone."""
    if secrets:
        write_secret(folder / _SECRETS, msgspec.json.encode(dict(secrets)))
    else:
        (folder / _SECRETS).unlink(missing_ok=True)


def _secrets(folder: Path) -> dict[str, str]:
    with suppress(FileNotFoundError):
        return msgspec.json.decode((folder / _SECRETS).read_bytes(), type=dict[str, str])
    return {}


def _command(wanted: Wanted, listener: int, ready: int) -> list[str]:
    bundle = ["--bundle", str(Path(wanted.bundle).resolve())]
    pipes = ["--fd", str(listener), "--ready-fd", str(ready)]
    return [sys.executable, "-m", "mlops_cli.serving", *bundle, *pipes]


def _in_child() -> Callable[[], None]:
    linux = sys.platform == "linux"
    prctl, parent = ctypes.CDLL(None).prctl if linux else None, os.getpid()

    def in_child() -> None:
        # The end of a login sends SIGHUP with SIGTERM; only the supervisor has a use for it.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if prctl is None:
            return
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_child
