"""How far windows of the training data themselves lie from the whole: what is no drift.

A day of weather is no random sample of a year. Where rows go along a time, windows of the same
length inside the training data tell how far a quiet one lies; chance among independent rows is the
least that is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.monitoring.counts.comparison import Comparison, compare
from mlops_cli.monitoring.drift.hypotheses import Hypothesis, hypotheses, size_of

LENGTHS = (86_400, 604_800, 2_592_000, 3_600, 21_600, 7_776_000)  # seconds, the usual ones first
WINDOWS = 60  # of one length, at the most
FEWEST = 8
ROWS = 2000  # of a window, at the most: further ones hardly move a distance
MIN_ROWS = 30
LOOKS = 20_000  # windows times columns: what train may take
TAIL = 0.9  # of a hypothesis' distances: its own scale
BEYOND = 1.5  # times the farthest window, where there are too few to tell a quantile
SHORTER = 1.25  # a day's last row is no whole day after its first


def spans_of(profile: Profile, table: pa.Table, moments: NDArray[np.int64]) -> tuple[Span, ...]:
    """The distances of windows of `table` from its `profile`, for each length that has enough.

    `moments` are the rows' times in microseconds, ascending, shape (n,).
    """
    left = LOOKS // max(len(profile.columns), 1)
    found: list[Span] = []
    for length in LENGTHS:
        windows = _windows(moments, length)
        if len(windows) < FEWEST or left < min(len(windows), WINDOWS):
            continue
        chosen = [windows[i] for i in _some(len(windows), WINDOWS)]
        left -= len(chosen)
        found.append(_span(profile, table, length, chosen))
    return tuple(sorted(found, key=lambda span: span.seconds))


def span_for(spans: Sequence[Span], seconds: float) -> Span | None:
    """The longest span that is not longer than a window of `seconds`, else the shortest."""
    fitting = [s for s in spans if s.seconds <= seconds * SHORTER]
    return fitting[-1] if fitting else next(iter(spans), None)


def wider(span: Span | None, windows: int) -> Span | None:
    """The span of a window beside so many others, instead of beside all of the training data.

    Of independent days the distance of one from the mean of k others is the root of 1 + 1/k times
    that from the mean of all.
    """
    if span is None:
        return None
    factor = math.sqrt(1 + 1 / windows)
    return msgspec.structs.replace(span, excess=tuple(e * factor for e in span.excess))


def with_spans(
    found: Iterable[Hypothesis], columns: Sequence[Comparison], span: Span, alpha: float
) -> Iterator[Hypothesis]:
    """The hypotheses, each with a floor that a quiet window of the span's length reaches.

    The probability that any distance of such a window is above its floor is at most `alpha`.
    """
    most = _quantile(span.excess, alpha)
    sizes = {c.profile.name: size_of(c) for c in columns}
    for one in found:
        scale = span.distances.get(one.column, {}).get(one.statistic, 0.0)
        floor = _as_value(one, most * scale, sizes[one.column])
        yield replace(one, floor=max(one.floor, math.nextafter(floor, math.inf)))


def _windows(moments: NDArray[np.int64], length: int) -> list[slice]:
    """The windows on the grid of this length that have enough rows."""
    places = moments // (length * 1_000_000)
    starts = (
        np.flatnonzero(np.diff(places, prepend=places[:1] - 1))
        if len(places)
        else np.array([], np.int64)
    )
    ends = [*starts[1:], len(places)]
    return [slice(int(a), int(b)) for a, b in zip(starts, ends, strict=True) if b - a >= MIN_ROWS]


def _span(profile: Profile, table: pa.Table, length: int, windows: Sequence[slice]) -> Span:
    return span_from([_distances(profile, table, window) for window in windows], length)


def span_from(seen: Sequence[Mapping[tuple[str, str], float]], length: int) -> Span:
    """The span of windows of `length` seconds, by their distances of each column and statistic."""
    keys = sorted({key for one in seen for key in one})
    scales = {
        key: scale
        for key in keys
        if (scale := float(np.quantile([one.get(key, 0.0) for one in seen], TAIL))) > 0
    }
    excess = [
        max((v / scales[k] for k, v in one.items() if k in scales), default=0.0) for one in seen
    ]
    distances: dict[str, dict[str, float]] = {}
    for (column, statistic), scale in scales.items():
        distances.setdefault(column, {})[statistic] = round(scale, 6)
    return Span(length, tuple(round(e, 6) for e in sorted(excess)), distances)


def _distances(profile: Profile, table: pa.Table, window: slice) -> dict[tuple[str, str], float]:
    rows = table.slice(window.start, window.stop - window.start)
    if rows.num_rows > ROWS:
        rows = rows.take(pa.array(_some(rows.num_rows, ROWS)))
    return distances_of(compare(profile, [rows]))


def distances_of(columns: Sequence[Comparison]) -> dict[tuple[str, str], float]:
    """How far a window lies from what it is compared with, by column and statistic."""
    sizes = {c.profile.name: size_of(c) for c in columns}
    return {
        (h.column, h.statistic): _distance(h, sizes[h.column])
        for c in columns
        for h in hypotheses(c)
    }


def _distance(one: Hypothesis, size: float) -> float:
    """What does not grow with the number of rows: of chi-square the root of its share."""
    if one.statistic != "chi_square":
        return one.value
    return math.sqrt(max(one.value, 0.0) / size) if size else 0.0


def _as_value(one: Hypothesis, distance: float, size: float) -> float:
    return distance**2 * size if one.statistic == "chi_square" else distance


def _quantile(excess: Sequence[float], alpha: float) -> float:
    """What the next of exchangeable windows exceeds with probability `alpha` at the most."""
    rank = math.ceil((len(excess) + 1) * (1 - alpha))
    return excess[rank - 1] if rank <= len(excess) else excess[-1] * BEYOND


def _some(n: int, most: int) -> list[int]:
    """At most so many of n places, ascending, by lot: every other day would never be a Sunday."""
    if n <= most:
        return list(range(n))
    chosen = np.random.default_rng(0).choice(n, most, replace=False)
    return [int(i) for i in np.sort(chosen)]
