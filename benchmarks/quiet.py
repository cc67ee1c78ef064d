"""Quiet months: daily windows of rows that never change, and how often they are called drifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.plan import ID
from mlops_cli.bundle.profile import Profile, Span
from mlops_cli.monitoring.counts.comparison import compare
from mlops_cli.monitoring.counts.subjects import one_of_each
from mlops_cli.monitoring.drift.profile import Units, profile_of
from mlops_cli.monitoring.drift.spans import span_for
from mlops_cli.monitoring.drift.verdict import alpha_of, find_drift_in
from mlops_cli.tables.base import ROW

BUDGET = 1.0  # alarms a month
ALPHA = alpha_of(BUDGET, timedelta(days=1))
DAYS = 30  # of a month
COLUMNS, SEGMENTS, OF_A_DAY, GROUP = 20, 3, 600, 40
DAY = 86_400_000_000  # microseconds
ICC, OF_THE_DAY = 0.3, 0.1  # shares of the variance: of a subject, of a day
SHIFT, SHIFTED, BUSIER = 0.15, 3, 2_000  # standard deviations, of a column; rows of such a day
NAMES = [f"x{i}" for i in range(COLUMNS)]
INPUTS = [Input(name, "float", True, None, "event") for name in NAMES]
Random = np.random.Generator
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """Rows, shape (n, columns), with their subject, day and segment, each of shape (n,)."""

    values: Numbers
    subject: NDArray[np.int64]
    day: NDArray[np.int64]
    segment: NDArray[np.int64]

    def table(self) -> pa.Table:
        columns = {name: self.values[:, i] for i, name in enumerate(NAMES)}
        ids = {ROW: np.arange(len(self.values)), f"{ID}customer": self.subject}
        return pa.table(columns | ids)

    def where(self, mask: NDArray[np.bool_]) -> Drawn:
        return Drawn(self.values[mask], self.subject[mask], self.day[mask], self.segment[mask])

    def groups(self) -> Iterator[tuple[str, Drawn]]:
        yield "", self
        for k in range(SEGMENTS):
            yield f"segment={k}", self.where(self.segment == k)


def independent(rng: Random, days: int, of_a_day: int = OF_A_DAY) -> Drawn:
    n = days * of_a_day
    day = np.repeat(np.arange(days), of_a_day)
    return Drawn(rng.normal(size=(n, COLUMNS)), np.arange(n), day, rng.integers(0, SEGMENTS, n))


def in_groups(rng: Random, days: int) -> Drawn:
    """Rows of 100 customers a day, 40 each, who are alike; a segment is one of customers."""
    customers = days * 100
    subject = np.repeat(np.arange(customers), GROUP)
    own = rng.normal(size=(customers, COLUMNS))[subject]
    each = rng.normal(size=(len(subject), COLUMNS))
    values = np.sqrt(ICC) * own + np.sqrt(1 - ICC) * each
    return Drawn(values, subject, subject // 100, subject % SEGMENTS)


def with_days(rng: Random, days: int) -> Drawn:
    """Rows of a day have something in common."""
    drawn = independent(rng, days)
    of_day = rng.normal(size=(days, COLUMNS))[drawn.day]
    values = np.sqrt(OF_THE_DAY) * of_day + np.sqrt(1 - OF_THE_DAY) * drawn.values
    return Drawn(values, drawn.subject, drawn.day, drawn.segment)


@dataclass(frozen=True)
class Known:
    """Profiles and spans by group; one row of each subject counts where `grouped`."""

    profiles: dict[str, Profile]
    spans: dict[str, Span]
    grouped: bool

    @classmethod
    def of(cls, drawn: Drawn, *, grouped: bool, spanned: bool) -> Known:
        profiles = {}
        for name, part in drawn.groups():
            moments = part.day * DAY if spanned else None
            units = Units(("customer",) if grouped else (), moments)
            profiles[name] = profile_of(part.table(), inputs=INPUTS, features=[], units=units)
        found = {name: span_for(p.spans, 86_400) for name, p in profiles.items()}
        return cls(profiles, {n: s for n, s in found.items() if s is not None}, grouped)

    def drifted(self, day: Drawn) -> list[tuple[str, str]]:
        """Which columns of which groups are called drifted."""
        groups = {}
        for name, part in day.groups():
            table = part.table()
            if self.grouped:
                table = table.take(pa.array(one_of_each(table, [f"{ID}customer"])))
            if table.num_rows >= 30:
                groups[name] = compare(self.profiles[name], [table])
        spans = {name: span for name, span in self.spans.items() if name in groups}
        found = find_drift_in(groups, ALPHA, spans)
        return [(name, c.name) for name, columns in found.items() for c in columns if c.drifted]


@dataclass(frozen=True)
class Kind:
    """How rows are drawn, and of how many days a profile is."""

    draw: Callable[[Random, int], Drawn]
    training: int
    grouped: bool = False
    spanned: bool = False

    def known(self, rng: Random) -> Known:
        """What a model knows of the days that it was fitted on."""
        known = Known.of(self.draw(rng, self.training), grouped=self.grouped, spanned=self.spanned)
        assert bool(known.spans) == self.spanned
        return known

    def months(self, rng: Random, months: int) -> list[int]:
        """The windows that alarm in each of so many quiet months, all of one profile."""
        known = self.known(rng)
        return [
            sum(bool(known.drifted(self.draw(rng, 1))) for _ in range(DAYS)) for _ in range(months)
        ]


KINDS: Mapping[str, Kind] = {
    "independent rows": Kind(independent, 40),
    "rows in groups of 40": Kind(in_groups, 40, grouped=True),
    "day effects": Kind(with_days, 120, spanned=True),
}


def named_at_once(rng: Random, windows: int) -> int:
    """In how many windows, each the first of a small shift of one column, that column is named.

    As many rows a window as `BUSIER`, all of them judged; a profile of 60,000 independent ones.
    """
    known = Known.of(independent(rng, 100), grouped=False, spanned=False)
    named = 0
    for _ in range(windows):
        day = independent(rng, 1, BUSIER)
        day.values[:, SHIFTED] += SHIFT
        named += ("", NAMES[SHIFTED]) in known.drifted(day)
    return named


def mean_and_error(chunks: list[list[int]]) -> tuple[float, float]:
    """Mean alarms a month, and its standard error; months of one profile (a chunk) are alike."""
    means = [float(np.mean(chunk)) for chunk in chunks]
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means)))
