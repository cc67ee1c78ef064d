"""The rollout of a local deployment: its document is a file in the control's folder.

The service writes the file when it is told; where it is away, the command does. Commands take
turns by a lock, so that of two that read the same document one is told of the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from mlops_cli._files import write_bytes
from mlops_cli._locks import locked
from mlops_cli.errors import EnvironmentFault
from mlops_cli.targets import control
from mlops_cli.targets.base import Counted, Kept, Release, RolloutMoved

FILE = "rollout.json"  # in the control's folder
SEEN = "rollout-seen.json"
_LOCK = "rollout.lock"
_SECONDS = 180.0  # that another command may take to tell a service

Address = Callable[[], "tuple[str, str] | None"]
"""The URL of what runs, and its control secret; None where nothing does."""


class RolloutFile:
    """What a target with one service and a folder of its own keeps: see `KeepsRollout`."""

    def __init__(self, folder: Path, address: Address) -> None:
        self._rollouts = folder
        self._serving_at = address

    def path_of(self, candidate: Release) -> str:
        """Its bundle's folder as the service finds it; a project may be renamed."""
        return os.path.relpath(candidate.bundle.path, self._rollouts)

    def rollout(self) -> Kept | None:
        """What stands in the file."""
        with suppress(FileNotFoundError):
            content = (self._rollouts / FILE).read_bytes()
            return Kept(content, sha256(content).hexdigest())
        return None

    def keep_rollout(self, document: bytes, after: Kept | None) -> None:
        """See `KeepsRollout.keep_rollout`."""
        with self._alone():
            found = self.rollout()
            if found != after:
                raise RolloutMoved("another command moved the rollout", hint="mlops rollout status")
            self._tell(document)
            if (now := self.rollout()) is None or now.document != document:
                write_bytes(self._rollouts / FILE, document)

    def tell_rollout(self, document: bytes) -> None:
        """See `KeepsRollout.tell_rollout`."""
        with self._alone(), suppress(RolloutMoved):
            self._tell(document)

    def _tell(self, document: bytes) -> None:
        if (where := self._serving_at()) is not None:
            with suppress(control.Away, control.Unrouted):
                control.put(control.at(*where), document, after=None)

    def counted(self) -> tuple[Counted, ...]:
        """See `KeepsRollout.counted`."""
        if (where := self._serving_at()) is None:
            return ()
        with suppress(control.Away, control.Unrouted):
            return (control.counted(control.at(*where)),)
        return ()

    def seen(self) -> bytes | None:
        """See `KeepsRollout.seen`."""
        with suppress(FileNotFoundError):
            return (self._rollouts / SEEN).read_bytes()
        return None

    def keep_seen(self, content: bytes) -> None:
        """See `KeepsRollout.keep_seen`."""
        write_bytes(self._rollouts / SEEN, content)

    def forget_rollout(self) -> None:
        """Nothing is deployed any more."""
        for name in (FILE, SEEN):
            (self._rollouts / name).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        taken = EnvironmentFault("another command moves this rollout", hint="wait until it has")
        with locked(self._rollouts / _LOCK, otherwise=taken, seconds=_SECONDS):
            yield
