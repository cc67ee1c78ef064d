"""Windows on a fixed grid: multiples of their length since 1970 UTC."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from mlops_cli.errors import UsageError

SILENT = 1_000  # windows of a silence that are there: a clock set back by months makes millions
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time from `start` on, before `end`; both aware, in UTC."""

    start: datetime
    end: datetime

    def days(self) -> Iterator[date]:
        """The days (UTC) that it touches, in order."""
        day = self.start.date()
        while datetime.combine(day, time(), UTC) < self.end:
            yield day
            day += timedelta(days=1)


def begin_of(moment: datetime, length: timedelta) -> datetime:
    """When the window of this length begins that `moment` lies in."""
    return moment - (moment - _EPOCH) % length


def whole_windows(since: datetime, until: datetime, length: timedelta) -> Iterator[Stretch]:
    """The windows that begin at `since` or later, and have ended by `until`, in order."""
    start = begin_of(since, length)
    if start < since:
        start += length
    while start + length <= until:
        yield Stretch(start, start + length)
        start += length


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows in order, and the stretches of silence between them whose windows are left out."""

    windows: tuple[Stretch, ...]
    left_out: tuple[Stretch, ...]


def windows_among(
    days: Sequence[date], since: datetime, until: datetime, length: timedelta
) -> Grid:
    """`whole_windows`; but where none of the `days` with rows is, the first 1,000 in a row alone.

    `days` are in UTC and in order.
    """
    windows: list[Stretch] = []
    left_out: list[Stretch] = []
    asked, silent = frozenset(days), 0
    ahead = whole_windows(since, until, length)
    while (window := next(ahead, None)) is not None:
        silent = silent + 1 if asked.isdisjoint(window.days()) else 0
        if silent <= SILENT:
            windows.append(window)
            continue
        after = bisect_right(days, window.start.date())
        end = until
        if after < len(days):
            end = begin_of(datetime.combine(days[after], time(), UTC), length)
        left_out.append(Stretch(window.start, end))
        ahead, silent = whole_windows(end, until, length), 0
    return Grid(tuple(windows), tuple(left_out))


def moment_of(text: str, option: str) -> datetime:
    """A moment as a user writes it: a day, or a time of ISO 8601 (without an offset: UTC).

    Raises `UsageError`, naming the option.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as e:
        raise UsageError(
            f"{option} {text[:40]!r} is no time",
            hint=f"write {option} 2026-03-01, or {option} 2026-03-01T12:00:00Z",
        ) from e
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
