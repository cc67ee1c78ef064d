"""The marks that pictures (SVG) are drawn of: scales, ticks, lines and texts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from html import escape

TICKS = 5
SHOWN = 26  # characters of a name
Scale = Callable[[float], float]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """What leads from a value between `low` and `high` (not equal) to a place in pixels."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers between the ends, some `TICKS` of them."""
    rough = (high - low) / TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    first = math.ceil(low / step)
    yield from (n * step for n in range(first, math.floor(high / step) + 1))


def line(x1: float, y1: float, x2: float, y2: float, color: str, *, more: str = "") -> str:
    """A line; `more` are attributes."""
    at = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {at} stroke="{color}" {more}/>'


def text(
    x: float,
    y: float,
    said: str,
    *,
    anchor: str = "middle",
    size: float = 12,
    more: str = "",
    most: int = SHOWN,
) -> str:
    """A text, escaped and cut to `most` characters; `more` are attributes."""
    shown = said if len(said) <= most else f"{said[: most - 1]}…"
    at = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size:g}"'
    return f"<text {at} {more}>{escape(shown)}</text>"
