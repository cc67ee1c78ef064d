"""Earlier windows as what a window is held to: the last one, or those of the same weekday.

A Sunday differs from the training data's mean week, and not from other Sundays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np

from mlops_cli.bundle.profile import Span
from mlops_cli.monitoring.counts.comparison import Comparison
from mlops_cli.monitoring.counts.statistics import Counts
from mlops_cli.monitoring.drift.spans import FEWEST, distances_of, span_from

Baseline = Literal["training", "last_window", "same_weekday"]

LATEST = 12  # windows of one weekday: older ones are of another season
LEAST = 4  # fewer are not long enough a log

Counted = Sequence[Comparison]
"""A window's columns, each counted over the cells of one and the same profile."""


@dataclass(frozen=True, slots=True)
class Held:
    """A window beside earlier ones: what `find_drift` takes.

    `span` tells how far quiet windows lie apart; None where rows are independent draws or nothing
    is known of it.
    """

    columns: tuple[Comparison, ...]
    span: Span | None


def earlier_windows(
    baseline: Baseline, start: datetime, quiet: Iterable[datetime]
) -> tuple[datetime, ...]:
    """Which of the `quiet` windows, by their start, one that begins at `start` is held to.

    In time, all of them earlier; none stands for the training data, which is also what is taken
    while the log is too short: without any earlier window, or with fewer than four of the same
    weekday and time of day (UTC). A window that drifted or was broken is not quiet: held to it,
    the next would be normal.
    """
    before = sorted(one for one in set(quiet) if one < start)
    match baseline:
        case "training":
            return ()
        case "last_window":
            return tuple(before[-1:])
        case "same_weekday":
            same = [one for one in before if _place(one) == _place(start)]
            return tuple(same[-LATEST:]) if len(same) >= LEAST else ()


def hold_to(earlier: Sequence[Counted], now: Counted, training: Span | None = None) -> Held:
    """The window `now` beside the rows of the `earlier` ones together, of which there is any.

    All are counted over the same columns of the same profile (`window.compare`). Where `training`
    tells how far windows of this length lie from all of the training data, rows go along a time:
    then eight earlier windows or more, each beside the others, tell how far a quiet one lies. With
    fewer it is training's distance times the root of 1 + 1/k, as those of two means of 1 and of k
    windows.
    """
    columns = tuple(_beside(earlier, i, column) for i, column in enumerate(now))
    if training is None:
        return Held(columns, None)
    if len(earlier) < FEWEST:
        return Held(columns, _widened(training, math.sqrt(1 + 1 / len(earlier))))
    seen = []
    for k, one in enumerate(earlier):
        others = [*earlier[:k], *earlier[k + 1 :]]
        seen.append(distances_of([_beside(others, i, c) for i, c in enumerate(one)]))
    return Held(columns, span_from(seen, training.seconds))


def _place(start: datetime) -> tuple[int, int, int, int]:
    return start.weekday(), start.hour, start.minute, start.second


def _beside(earlier: Sequence[Counted], i: int, now: Comparison) -> Comparison:
    """Column `i` of now, with the counts of the earlier windows as its reference."""
    before = [window[i] for window in earlier]
    reference: Counts = np.stack([one.current for one in before]).sum(axis=0)
    rows, missing = sum(one.rows for one in before), sum(one.missing for one in before)
    new = int(now.current[reference == 0].sum())
    return replace(
        now,
        profile=msgspec.structs.replace(now.profile, count=rows - missing, missing=missing),
        reference=reference,
        unseen=None if now.unseen is None else new,
        wasserstein=None,
    )


def _widened(span: Span, factor: float) -> Span:
    distances = {
        column: {statistic: factor * distance for statistic, distance in of.items()}
        for column, of in span.distances.items()
    }
    return msgspec.structs.replace(span, distances=distances)
