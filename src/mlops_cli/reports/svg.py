"""Our own painter: each column then and now as a small picture, in the page itself (SVG)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli._svg import line, scale, text, ticks
from mlops_cli.errors import EnvironmentFault
from mlops_cli.monitoring.drift.base import ColumnDrift
from mlops_cli.reports.base import DriftPage

_WIDTH, _HEIGHT = 380, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 45, 24, 40, 28
_NAMES = 130  # of texts, beside the axis
_BINS = 24
_WHOLE = 62  # whole numbers that have a bin each: the days of a month, the minutes of an hour
_EXACT, _TINY, _HUGE = 1e9, 1e-300, 8e307  # beyond these an axis is no longer a sum of its bins
_LINE = 45  # characters
_FEW = 8  # texts of a picture: the most frequent ones of either side
_TAIL = 0.005  # share of either side that the axis need not reach: it counts in the outer bins
_THEN, _NOW, _ALARM, _RULE = "#b5b5b5", "#2f6db3", "#b3261e", "#e4e4e4"
_MISSING, _OTHERS = "(missing)", "(all others)"


def draw(page: DriftPage, most: int) -> str:
    """A picture of each of the first `most` columns; see `Painter.draw`."""
    shown = list(islice((v for v in page.verdicts if page.has_values(v.name)), most))
    if not shown:
        raise EnvironmentFault("no column has values on both sides: there is nothing to draw")
    key = (
        f'<p><b style="color:#777">■</b> then <b style="color:{_NOW}">■</b> now, share of rows</p>'
    )
    pictures = [_picture(v, page.reference[v.name], page.current[v.name]) for v in shown]
    return "\n".join([key, '<div class="pictures">', *pictures, "</div>"])


def _picture(verdict: ColumnDrift, then: pa.ChunkedArray, now: pa.ChunkedArray) -> str:
    words = f"{verdict.statistic.replace('_', ' ')} {verdict.value:.3g}"
    words += f" {'≥' if verdict.drifted else '<'} {verdict.threshold:.3g}"
    color = _ALARM if verdict.drifted else "#555"
    bold = 'font-weight="600"'
    title = text(8, 16, verdict.name, anchor="start", size=13, more=bold, most=_LINE)
    found = text(8, 31, words, anchor="start", size=11, more=f'fill="{color}"', most=_LINE)
    marks = _bars(then, now) if pa.types.is_string(then.type) else _histogram(then, now)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11">{title}{found}{"".join(marks)}</svg>'
    )


def _histogram(then: pa.ChunkedArray, now: pa.ChunkedArray) -> Iterator[str]:
    """Filled then, outlined now: numbers in bins of one width; null is beside them."""
    sides = [_numbers(side) for side in (then, now)]
    low = min(float(np.quantile(side, _TAIL)) for side in sides)
    high = max(float(np.quantile(side, 1 - _TAIL)) for side in sides)
    edges = _edges(low, high, whole=all(bool((side % 1 == 0).all()) for side in sides))
    low, high = edges[0], edges[-1]
    shares = [
        np.histogram(np.clip(side, low, high), edges)[0] / len(column)
        for side, column in zip(sides, (then, now), strict=True)
    ]
    top = max(float(share.max()) for share in shares)
    x, y = scale(low, high, _LEFT, _WIDTH - _RIGHT), scale(0, top, _HEIGHT - _BOTTOM, _TOP)
    yield from _axes_of(low, high, top)
    for left, right, share in zip(edges, edges[1:], shares[0], strict=False):
        yield _rect(x(left), y(share), x(right) - x(left), y(0) - y(share), _THEN)
    corners = [(edges[0], 0.0)]
    for left, right, share in zip(edges, edges[1:], shares[1], strict=False):
        corners += [(left, share), (right, share)]
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in [*corners, (edges[-1], 0.0)])
    yield f'<polyline points="{points}" fill="none" stroke="{_NOW}" stroke-width="1.8"/>'


def _edges(low: float, high: float, *, whole: bool) -> list[float]:
    if whole and high - low < _WHOLE and max(abs(low), abs(high)) < _EXACT:
        return [n - 0.5 for n in range(round(low), round(high) + 2)]
    size = max(abs(low), abs(high))
    room = 0.0 if high - low > size / _EXACT + _TINY else size * 0.05 or 0.5
    return [float(edge) for edge in np.linspace(low - room, high + room, _BINS + 1)]


def _axes_of(low: float, high: float, top: float) -> Iterator[str]:
    x, y = scale(low, high, _LEFT, _WIDTH - _RIGHT), scale(0, top, _HEIGHT - _BOTTOM, _TOP)
    for tick in ticks(0, top):
        yield line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick), _RULE)
        yield text(_LEFT - 5, y(tick) + 4, f"{100 * tick:.3g} %", anchor="end", size=10)
    for tick in ticks(low, high):
        yield text(x(tick), _HEIGHT - _BOTTOM + 15, f"{tick:.6g}", size=10)


def _bars(then: pa.ChunkedArray, now: pa.ChunkedArray) -> Iterator[str]:
    """Two bars for each of the most frequent texts, for all others together, and for missing."""
    sides = [_shares(side) for side in (then, now)]
    frequent = sorted({*sides[0], *sides[1]}, key=lambda name: (-_most(sides, name), name))
    rest = frequent[_FEW:]
    rows = [(name, [side.get(name, 0.0) for side in sides]) for name in frequent[:_FEW]]
    if rest:
        rows.append((_OTHERS, [sum(side.get(name, 0.0) for name in rest) for side in sides]))
    longest = max(share for _, both in rows for share in both)
    x = scale(0, longest, _NAMES, _WIDTH - _RIGHT)
    for tick in ticks(0, longest):
        yield line(x(tick), _TOP, x(tick), _HEIGHT - _BOTTOM, _RULE)
        yield text(x(tick), _HEIGHT - _BOTTOM + 15, f"{100 * tick:.3g} %", size=10)
    height = (_HEIGHT - _TOP - _BOTTOM) / len(rows)
    for i, (name, both) in enumerate(rows):
        top = _TOP + i * height
        yield text(_NAMES - 6, top + height / 2 + 4, name, anchor="end", size=min(11.0, height))
        for j, (share, color) in enumerate(zip(both, (_THEN, _NOW), strict=True)):
            at = top + height * (0.1 + 0.4 * j)
            yield _rect(_NAMES, at, x(share) - _NAMES, height * 0.4, color)


def _most(sides: list[dict[str, float]], name: str) -> float:
    return max(side.get(name, 0.0) for side in sides)


def _shares(column: pa.ChunkedArray) -> dict[str, float]:
    counted = pc.value_counts(column.combine_chunks())
    return {
        _MISSING if one["values"] is None else one["values"]: one["counts"] / len(column)
        for one in counted.to_pylist()
    }


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    found = np.asarray(column.drop_null().to_numpy(), np.float64)
    return np.clip(found, -_HUGE, _HUGE)


def _rect(x: float, y: float, width: float, height: float, color: str) -> str:
    at = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {at} fill="{color}"/>'
