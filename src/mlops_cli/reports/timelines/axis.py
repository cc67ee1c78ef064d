"""The time axis that every picture of a page has in common: a step for each window of the grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST = 12  # ticks
_DAY = timedelta(days=1)
_STEPS = tuple(
    timedelta(minutes=n) for n in (1, 5, 15, 30, 60, 180, 360, 720, 1440, 2880, 10080, 20160)
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of the axis at `at` percent of its width."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From `start` (UTC) on `count` steps, each as long as a window."""

    start: datetime
    step: timedelta
    count: int

    @property
    def end(self) -> datetime:
        """Where the last step ends."""
        return self.start + self.count * self.step

    def place(self, moment: datetime) -> float:
        """Where a moment lies, in steps; below 0 or above `count` outside of the axis."""
        return (moment - self.start) / self.step

    def percent(self, moment: datetime) -> float:
        """Where a moment lies, in percent of the width."""
        return round(100 * self.place(moment) / self.count, 3)

    def name(self, moment: datetime) -> str:
        """A moment as people write it: the day alone where windows are of days."""
        return f"{moment:%Y-%m-%d}" if not self.step % _DAY else f"{moment:%Y-%m-%d %H:%M}"

    def ticks(self) -> list[Tick]:
        """Round times, at most a dozen of them, not so close to the end that a label is cut."""
        found = [Tick(self.percent(at), said) for at, said in self._moments()]
        return [tick for tick in found if 0 <= tick.at <= 97]

    def _moments(self) -> Iterator[tuple[datetime, str]]:
        length = self.end - self.start
        step = next((s for s in _STEPS if length / s <= _MOST), None)
        if step is None:
            yield from _month_starts(self.start, self.end)
            return
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        at = midnight
        while at < self.end:
            if at >= self.start:
                yield at, f"{at:%H:%M}" if at.hour or at.minute else f"{at.day} {at:%b}"
            at += step


def axis_of(starts: Sequence[datetime], step: timedelta) -> Axis:
    """The axis of windows by their starts, in order; there must be some."""
    return Axis(starts[0], step, round((starts[-1] - starts[0]) / step) + 1)


def _month_starts(start: datetime, end: datetime) -> Iterator[tuple[datetime, str]]:
    first, last = start.year * 12 + start.month - 1, end.year * 12 + end.month - 1
    by = next((n for n in _MONTHS if (last - first) / n <= _MOST), _MONTHS[-1])
    for month in range(first - first % by, last + 1, by):
        at = start.replace(
            year=month // 12, month=month % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
        )
        if start <= at < end:
            yield at, f"{at:%b %Y}" if at.month == 1 or by > 1 else f"{at:%b}"
