"""Windows on a fixed grid: multiples of their length since 1970 UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from mlops_cli.errors import UsageError

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
