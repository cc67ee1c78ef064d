"""Colour, on terminals that may have it; DVC's door tells errors, too, so it imports nothing."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers know the name; the module typing would cost 10 ms
if TYPE_CHECKING:
    from typing import Literal, TextIO

    Colour = Literal["red", "green", "yellow"]

_CODES = {"red": "31", "green": "32", "yellow": "33"}


def paint(text: str, colour: Colour | None, stream: TextIO | None = None) -> str:
    """The text in a colour, where the stream (default: standard output) is a terminal that may."""
    if colour is None or not text or not _may_colour(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def _may_colour(stream: TextIO) -> bool:
    """As https://no-color.org has it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
