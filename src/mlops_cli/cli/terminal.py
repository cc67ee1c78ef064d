"""What a person sees while work is done: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import ClassVar, TextIO

from mlops_cli.redaction import redact

_REDRAW_SECONDS = 0.1
_PLAIN_SECONDS = 5.0


class TerminalProgress:
    """`Progress` on standard error."""

    _shown: ClassVar[TerminalProgress | None] = None  # whose live line stands on the terminal

    def __init__(self, stream: TextIO | None = None, *, prefix: str = "") -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._prefix = f"{prefix}: " if prefix else ""
        self._drawn = 0.0
        self._line = False

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        """Redraw the live line; off a terminal a plain line now and then."""
        now = time.monotonic()
        ended = total is not None and done >= total
        if now - self._drawn < (_REDRAW_SECONDS if self._live else _PLAIN_SECONDS) and not ended:
            return
        self._drawn = now
        count = _bar(done, total) if self._live else _count(done, total)
        text = f"{self._prefix}{count}{redact(message)}"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{text[:width]}")
            self._line, TerminalProgress._shown = True, self
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def log(self, message: str) -> None:
        """A line that stays."""
        self.clear()
        self._stream.write(f"{self._prefix}{redact(message)}\n")
        self._stream.flush()

    @classmethod
    def clear_shown(cls) -> None:
        """Take away the live line that stands on the terminal, whoever drew it."""
        if cls._shown:
            cls._shown.clear()

    def clear(self) -> None:
        """Take the live line away."""
        if self._line:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._line = False


def _bar(done: float, total: float | None, width: int = 20) -> str:
    if not total:
        return ""
    full = min(width, int(width * done / total))
    return f"[{'#' * full}{'.' * (width - full)}] {_count(done, total)}"


def _count(done: float, total: float | None) -> str:
    return f"{done:,.0f}/{total:,.0f} " if total else ""
