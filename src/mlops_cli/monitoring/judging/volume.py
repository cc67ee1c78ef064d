"""How much is usual: the median of earlier windows of the same place in the week."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

WEEK = timedelta(days=7)
WEEKS = 8  # that are looked back
FEWEST = 3  # windows that tell what is usual


def expected_rows(known: Sequence[tuple[datetime, int]], start: datetime) -> float | None:
    """The rows to expect of the window that begins at `start`; None where too few are known.

    `known` are earlier windows, by their start, with their rows. Those of the same hour and weekday
    of eight weeks tell, where there are three of them; else all of the last four weeks.
    """
    earlier = [(at, rows) for at, rows in known if start - WEEKS * WEEK <= at < start]
    same = [rows for at, rows in earlier if not (start - at) % WEEK]
    if len(same) >= FEWEST:
        return float(statistics.median(same))
    recent = [rows for at, rows in earlier if at >= start - 4 * WEEK]
    return float(statistics.median(recent)) if len(recent) >= FEWEST else None
