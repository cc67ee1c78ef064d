"""Partial results: of moments to one of them all, and to the figure that an expression reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from mlops_cli.bundle.online import Function, PartKind
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving.online.base import Cells

_NAN = math.nan
EPOCH = datetime(1970, 1, 1)  # naive is UTC, as everywhere
MICROSECOND = timedelta(microseconds=1)
Merge = Callable[[Cells], Any]


def micros(moment: datetime) -> int:
    """A naive moment in UTC as microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def _present(cells: Cells) -> Cells:
    return [cell for cell in cells if cell is not None] if None in cells else cells


def _sum(cells: Cells) -> float | None:
    """The exactly rounded sum of what is there."""
    found = _present(cells)
    if not found:
        return None
    try:
        return math.fsum(found)
    except (OverflowError, ValueError):  # an infinity on the way, or two of them that cancel
        return float(sum(found))


def _moments(cells: Cells) -> Cells | None:
    """Count, mean and squared deviations of all (Chan, Golub and LeVeque, 1979)."""
    found = _present(cells)
    if not found:
        return None
    count, mean, squares = found[0]
    for more, other, rest in found[1:]:
        total, off = count + more, other - mean
        mean += off * more / total
        squares += rest + off * off * count * more / total
        count = total
    return [count, mean, squares]


def _extreme(of: Callable[[Cells], Any], *, nan_wins: bool) -> Merge:
    """As tables have it: NaN is above all numbers."""

    def merge(cells: Cells) -> Any:
        found = _present(cells)
        numbers = [cell for cell in found if cell == cell]
        if len(numbers) < len(found) and (nan_wins or not numbers):
            return _NAN
        return of(numbers) if numbers else None

    return merge


def _first(cells: Cells) -> Any:
    return next((cell for cell in cells if cell is not None), None)


def _last(cells: Cells) -> Any:
    return next((cell for cell in reversed(cells) if cell is not None), None)


def _distinct(cells: Cells) -> Cells:
    return list(_values(cells))


def _values(cells: Cells) -> dict[Any, None]:
    """Each value once; a NaN is the same as another one."""
    return {(v if v == v else _NAN): None for cell in cells for v in cell or ()}


def _stddev(cells: Cells) -> float | None:
    found = _moments(cells)
    if found is None or found[0] < 2:  # one value does not deviate
        return None
    return math.sqrt(found[2] / (found[0] - 1)) if found[2] >= 0 else _NAN


MERGE: dict[PartKind, Merge] = {
    "rows": sum,
    "count": sum,
    "sum": _sum,
    "moments": _moments,
    "min": _extreme(min, nan_wins=False),
    "max": _extreme(max, nan_wins=True),
    "first": _first,
    "last": _last,
    "distinct": _distinct,
    "value": lambda cells: cells[-1] if cells else None,
}
"""The part of several moments, in time's order, of their parts."""


def figure(function: Function, kind: ValueType, parts: Sequence[Cells]) -> Any:
    """A figure of the rows whose parts these are, a list of cells for each part."""
    if function == "avg":
        total, count = _sum(parts[0]), sum(parts[1])
        return None if total is None or not count else total / count
    if function == "stddev":
        return _stddev(parts[0])
    if function == "distinct":
        return len(_values(parts[0]))
    return typed(kind, MERGE[function](parts[0]))


def typed(kind: ValueType, value: Any) -> Any:
    """A value of a store as expressions have it: dates and moments are kept as microseconds."""
    if value is None or kind not in ("date", "timestamp"):
        return value
    moment = EPOCH + value * MICROSECOND
    return moment.date() if kind == "date" else moment


def plain(value: Any) -> Any:
    """A value as JSON has it: dates and moments as ISO 8601, what is no number as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value
