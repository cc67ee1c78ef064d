"""How a silent core tells a person what it does: an object that by default does nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def silenced(*names: str) -> Iterator[None]:
    """While it lasts the loggers of these libraries are silent, and with them DVC's bars."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


QUIET: Progress = _Quiet()
