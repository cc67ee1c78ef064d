"""How a command and the supervisor hear of each other: a lock, two small files and signals.

The lock tells who lives: the kernel frees it with the process that held it, so there is no pid
file that could name a stranger, and a copied or moved project never reaches another's processes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from mlops_cli._files import replacing
from mlops_cli._locks import locked, take
from mlops_cli._poll import wait_until
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.contract import TLS_CERT

_LOCK = "supervisor.lock"
_COMMAND_LOCK = "command.lock"
_WANTED = "wanted.json"
_STATE = "state.json"

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True):
    """What a command asks of the supervisor: serve this bundle there.

    `bundle` is relative to the control's folder, so that a project may be renamed; `settings` are
    the variables that give the server its own.
    """

    request: str
    bundle: str
    digest: str
    host: str
    port: int
    settings: dict[str, str] = {}

    @property
    def tls(self) -> bool:
        """Whether it answers https."""
        return TLS_CERT in self.settings


class State(msgspec.Struct, frozen=True):
    """What the supervisor says: how the last request ended, and what it serves now.

    `reason` is None where the request was fulfilled; `serving` is None where nothing is; `since`
    is ISO 8601 in UTC.
    """

    request: str
    serving: Wanted | None
    since: str | None = None
    reason: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """The files in `.mlops/local/`; relative to it where `folder` is `.`."""

    folder: Path

    def hold(self) -> int | None:
        """Take the supervisor's lock for the life of the descriptor; None if another has it."""
        lock = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        # A `status` looking whether it is held holds it for a moment.
        if wait_until(partial(take, lock), seconds=0.5, step=0.01):
            return lock
        os.close(lock)
        return None

    def sign(self, lock: int) -> None:
        """Write this process into the lock that it holds."""
        os.pwrite(lock, b"%-20d\n" % os.getpid(), 0)

    def holds(self, lock: int) -> bool:
        """Whether the lock file still is the one that was taken: the folder may be deleted."""
        with suppress(FileNotFoundError):
            return os.path.samestat((self.folder / _LOCK).stat(), os.fstat(lock))
        return False

    def alive(self) -> bool:
        """Whether a supervisor lives."""
        with suppress(FileNotFoundError), (self.folder / _LOCK).open("rb") as lock:
            return not take(lock.fileno(), shared=True)
        return False

    def signal(self, number: signal.Signals) -> None:
        """Signal the supervisor, if one lives; only within `command`, so that none starts now."""
        if self.alive() and (pid := (self.folder / _LOCK).read_bytes().strip()):
            with suppress(ProcessLookupError):
                os.kill(int(pid), number)

    @contextmanager
    def command(self) -> Iterator[None]:
        """One command at a time; raises `EnvironmentFault` while another has its turn."""
        taken = EnvironmentFault(
            "another deploy of this project is going on", hint="wait until it has ended"
        )
        with locked(self.folder / _COMMAND_LOCK, otherwise=taken):
            yield

    def ask(self, wanted: Wanted) -> None:
        """Leave a request for the supervisor to take."""
        with replacing(self.folder / _WANTED) as file:
            file.write_bytes(msgspec.json.encode(wanted))

    def withdraw(self) -> None:
        """Take back a request that nobody took yet."""
        (self.folder / _WANTED).unlink(missing_ok=True)

    def waits(self) -> bool:
        """Whether a request waits to be taken."""
        return (self.folder / _WANTED).exists()

    def take(self) -> Wanted | None:
        """The request that waits; it waits no longer."""
        wanted = _read(self.folder / _WANTED, Wanted)
        self.withdraw()
        return wanted

    def publish(self, state: State) -> None:
        """Publish the supervisor's state."""
        with replacing(self.folder / _STATE) as file:
            file.write_bytes(msgspec.json.encode(state))

    def hear(self) -> State | None:
        """The state that a supervisor published last; it may have ended since."""
        return _read(self.folder / _STATE, State)


def _read(file: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
