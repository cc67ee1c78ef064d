"""How lines look: rows whose columns align, as wide as the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from mlops_cli.cli.colour import paint

if TYPE_CHECKING:
    from mlops_cli.cli.colour import Colour

TIE = "\u00a0"  # between words that stay on one line; printed as a space
_GAP = "  "
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

    On a terminal a cell goes on below itself where the row is too long; elsewhere a row is one
    line. Nothing is cut.
    """
    rows = list(rows)
    columns = max((len(r.cells) for r in rows), default=1) - 1
    cells = [[r.cells[i] for r in rows if i < len(r.cells) - 1] for i in range(columns)]
    widths = [min(_WIDEST, max(map(len, column), default=0)) for column in cells]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if room is not None:
        longest = max((len(r.cells[-1]) for r in rows if len(r.cells) > columns), default=0)
        _narrow(widths, cells, room - min(_LEAST, longest) - len(_GAP) * columns)
    for r in rows:
        yield from _lines(r, widths, room)


def _narrow(widths: list[int], cells: Sequence[Sequence[str]], room: int) -> None:
    """Take from the widest columns what is too much, down to their longest word."""
    least = [max((len(word) for cell in c for word in cell.split(" ")), default=0) for c in cells]
    while sum(widths) > room:
        loose = [i for i, width in enumerate(widths) if width > least[i]]
        if not loose:
            return
        widths[max(loose, key=widths.__getitem__)] -= 1


def _lines(r: Row, widths: Sequence[int], room: int | None) -> Iterator[str]:
    *first, last = r.cells
    parts = [
        [c] if room is None or len(c) <= w else _wrapped(c, w)
        for c, w in zip(first, widths, strict=False)
    ]
    head = sum(max(w, len(p[0])) + len(_GAP) for w, p in zip(widths, parts, strict=False))
    rest = 0 if room is None else room - head
    parts.append(_wrapped(last, rest) if len(last) > rest >= _LEAST else [last])
    for line in zip_longest(*parts, fillvalue=""):
        *begun, end = (cell.replace(TIE, " ") for cell in line)
        cells = "".join(f"{c:<{w}}{_GAP}" for c, w in zip(begun, widths, strict=False))
        yield f"{cells}{paint(end, r.colour) if end else end}".rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap  # only where a line is too long: help and short answers do without

    lines = textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
    return lines or [""]
