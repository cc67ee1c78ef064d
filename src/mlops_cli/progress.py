"""How a silent core tells a person what it does: an object that by default does nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what long work has to say; the CLI renders it, everything else ignores it."""

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        """Replace the live line: `done` of `total` units (trials, rows, seconds) of `message`."""

    def log(self, message: str) -> None:
        """A line that stays: an event worth reading afterwards."""


class _Quiet:
    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        """Do nothing."""

    def log(self, message: str) -> None:
        """Do nothing."""


QUIET: Progress = _Quiet()
