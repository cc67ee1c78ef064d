"""How lines look: rows whose columns align, as wide as the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops_cli.cli.colour import paint

if TYPE_CHECKING:
    from mlops_cli.cli.colour import Colour

TIE = "\u00a0"  # between words that stay on one line; printed as a space
_WIDEST = 44  # characters of a column but the last; a longer cell moves only its own row
_LEAST = 30  # characters of the last column: a terminal that has fewer breaks lines itself


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a line; `colour` is of the last one."""

    cells: tuple[str, ...]
    colour: Colour | None = None


def row(*cells: str, colour: Colour | None = None) -> Row:
    """A row of these cells."""
    return Row(cells, colour)


def aligned(rows: Iterable[Row]) -> Iterator[str]:
    """The rows as lines for standard output.

    On a terminal the last cell goes on below itself where it is too long; elsewhere a row is one
    line. Nothing is cut.
    """
    rows = list(rows)
    columns = max((len(r.cells) for r in rows), default=1) - 1
    cells = [[len(r.cells[i]) for r in rows if i < len(r.cells) - 1] for i in range(columns)]
    widths = [min(_WIDEST, max(lengths, default=0)) for lengths in cells]
    for r in rows:
        *first, last = r.cells
        head = "".join(f"{cell:<{width}}  " for cell, width in zip(first, widths, strict=False))
        beginning, *rest = (line.replace(TIE, " ") for line in _wrapped(last, len(head)))
        yield f"{head}{paint(beginning, r.colour)}".rstrip()
        yield from (f"{'':<{len(head)}}{paint(line, r.colour)}" for line in rest)


def _wrapped(text: str, indent: int) -> list[str]:
    room = shutil.get_terminal_size().columns - indent
    if not sys.stdout.isatty() or len(text) <= room or room < _LEAST:
        return [text]
    import textwrap  # only where a line is too long: help and short answers do without

    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
