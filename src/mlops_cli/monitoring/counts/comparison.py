"""Count the current rows over the cells of the profile, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.profile import (
    Bins,
    Categories,
    ColumnProfile,
    OpenBins,
    Profile,
    Values,
)
from mlops_cli.cores import cores
from mlops_cli.expressions.tree import FeatureTree, columns_of
from mlops_cli.monitoring.counts.cells import Cells
from mlops_cli.monitoring.counts.columns import bucket_counts, numbers, texts
from mlops_cli.monitoring.counts.statistics import Counts, Numbers, wasserstein

MANY = 4_096  # rows from which on a grid of cells, and a thread for each core, are worth making


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column, then and now: counts over the same cells, in order where `ordered`.

    `rows` and `missing` are of now; `unseen` are the current rows whose value is not in the
    profile's list (None where the profile has no complete list), `wasserstein` is in the
    column's unit, None for text and where it is beyond a double; of open bins it is what lies
    between the outer edges.
    """

    profile: ColumnProfile
    rows: int
    missing: int
    reference: Counts
    current: Counts
    ordered: bool
    unseen: int | None
    wasserstein: float | None


class _Counter(Protocol):
    def add(self, column: pa.Array) -> int:
        """Count a batch and return how many of its values are there."""

    def merge(self, later: Any) -> None:
        """Count what another counter of the same column counted."""

    def compare(self, profile: ColumnProfile, rows: int, missing: int) -> Comparison:
        """What was counted, beside the profile."""


class _Numbers:
    def __init__(self, distribution: Bins | OpenBins | Values) -> None:
        edges, reference = cells_of(distribution)
        self._edges, self._reference = edges, reference
        self._listed = isinstance(distribution, Values)
        self._open = isinstance(distribution, OpenBins)
        self._cells: Cells | None = None
        self._current = np.zeros(len(edges) + 1, dtype=np.int64)
        self._outside = 0.0

    def add(self, column: pa.Array) -> int:
        values = numbers(column)
        self._current += np.bincount(self._of(values), minlength=len(self._current))
        if len(values) and len(self._edges) and not self._open:
            with np.errstate(over="ignore"):
                self._outside += float(np.maximum(self._edges[0] - values, 0.0).sum())
                self._outside += float(np.maximum(values - self._edges[-1], 0.0).sum())
        return len(values)

    def _of(self, values: Numbers) -> NDArray[np.int64]:
        if self._cells is None and len(values) < MANY:
            return np.searchsorted(self._edges, values, side="left")
        self._cells = self._cells or Cells(self._edges)
        return self._cells.of(values)

    def merge(self, later: _Numbers) -> None:
        self._current += later._current
        self._outside += later._outside

    def compare(self, profile: ColumnProfile, rows: int, missing: int) -> Comparison:
        inner = wasserstein(self._edges, self._reference, self._current)
        present = rows - missing
        distance = inner + self._outside / max(present, 1)
        known = present and profile.count and np.isfinite(distance)
        new = int(self._current[self._reference == 0].sum())
        return Comparison(
            profile=profile,
            rows=rows,
            missing=missing,
            reference=self._reference,
            current=self._current,
            ordered=True,
            unseen=new if self._listed else None,
            wasserstein=distance if known else None,
        )


class _Texts:
    def __init__(self, distribution: Categories) -> None:
        self._buckets = len(distribution.buckets or ())
        listed = np.array([*distribution.counts.values(), 0], dtype=np.int64)
        self._reference = np.array(distribution.buckets) if self._buckets else listed
        self._cells = {text: i for i, text in enumerate(distribution.counts)}
        self._current = np.zeros(len(self._reference), dtype=np.int64)

    def add(self, column: pa.Array) -> int:
        counted = texts(column)
        if self._buckets:
            self._current += bucket_counts(counted, self._buckets)
        else:
            for text, count in counted.items():
                self._current[self._cells.get(text, -1)] += count
        return sum(counted.values())

    def merge(self, later: _Texts) -> None:
        self._current += later._current

    def compare(self, profile: ColumnProfile, rows: int, missing: int) -> Comparison:
        return Comparison(
            profile=profile,
            rows=rows,
            missing=missing,
            reference=self._reference,
            current=self._current,
            ordered=False,
            unseen=None if self._buckets else int(self._current[-1]),
            wasserstein=None,
        )


@dataclass(slots=True)
class Tally:
    """The rows of some batches, counted over the cells of each column of a profile."""

    rows: int
    present: NDArray[np.int64]
    counters: list[_Counter]

    def merge(self, later: Tally) -> None:
        """Count what was counted of the rows behind these."""
        self.rows += later.rows
        self.present += later.present
        for counter, other in zip(self.counters, later.counters, strict=True):
            counter.merge(other)

    def compared(self, profile: Profile) -> list[Comparison]:
        """What was counted, a comparison for each of the profile's columns."""
        there = zip(profile.columns, self.counters, self.present.tolist(), strict=True)
        return [counter.compare(column, self.rows, self.rows - n) for column, counter, n in there]


def compare(profile: Profile, batches: Iterable[pa.RecordBatch | pa.Table]) -> list[Comparison]:
    """Hold the rows of `batches` against the profile, a comparison for each of its columns.

    A batch has every column of the profile by name (`KeyError` where it lacks one); others are
    not looked at.
    """
    return tally(profile, batches).compared(profile)


def tally(profile: Profile, batches: Iterable[pa.RecordBatch | pa.Table]) -> Tally:
    """Count the rows of `batches`, as `compare` does."""
    counters = [_counter(c) for c in profile.columns]
    present = np.zeros(len(counters), dtype=np.int64)
    counting: Iterable[int] = [0] * len(counters)
    rows = 0
    with ExitStack() as stack:
        each: Callable[..., Iterable[int]] = map
        for batch in batches:  # read while the one before is counted
            present += np.fromiter(counting, dtype=np.int64)
            rows += batch.num_rows
            columns = [batch.column(c.name) for c in profile.columns]
            if batch.num_rows >= MANY and each is map:
                # Arithmetic on whole columns: numpy and Arrow let go of the lock for it.
                each = stack.enter_context(ThreadPoolExecutor(cores())).map
            counting = each(lambda counter, column: counter.add(column), counters, columns)
        present += np.fromiter(counting, dtype=np.int64)
    return Tally(rows, present, counters)


def without_time(profile: Profile, time: str | None, trees: Sequence[FeatureTree]) -> Profile:
    """The profile without the column `time`: that events happen later is no drift.

    Nor are its weekday or hour, which are left out, too: three days have three weekdays. As one of
    the model's own features, by `trees`, it stays: then its values matter.
    """
    named = {tree.name for tree in trees}
    parts = {t.name for t in trees if t.name != time and set(columns_of(t.tree)) == {time}}
    dropped = parts | ({time} - named)
    kept = tuple(c for c in profile.columns if c.name not in dropped)
    return msgspec.structs.replace(profile, columns=kept)


def comparable(profile: Profile, schema: pa.Schema) -> Profile:
    """The profile of those columns that a table of this schema has, text as text."""
    held = {f.name: pa.types.is_string(f.type) or pa.types.is_large_string(f.type) for f in schema}
    kept = (c for c in profile.columns if held.get(c.name) == (c.type == "text"))
    return Profile(rows=profile.rows, columns=tuple(kept))


@lru_cache(4_096)  # a window after the other is held to the same profile
def cells_of(distribution: Bins | OpenBins | Values) -> tuple[Numbers, Counts]:
    """Edges and counts of the cells: up to the first edge, between two edges, above the last.

    Outside the reference's range, and between two listed values, are cells of their own; their
    reference count is 0. Open bins are the cells themselves. Neither array is to be written to.
    """
    if isinstance(distribution, OpenBins):
        return np.array(distribution.edges, dtype=np.float64), np.array(distribution.counts)
    if isinstance(distribution, Values):
        points = fenced = np.array(distribution.values, dtype=np.float64)
    else:
        points = np.array(distribution.edges, dtype=np.float64)
        fenced = points[:1]
    edges = np.unique(np.concatenate([np.nextafter(fenced, -np.inf), points]))
    reference = np.zeros(len(edges) + 1, dtype=np.int64)
    reference[np.searchsorted(edges, points)] = distribution.counts
    return edges, reference


def _counter(column: ColumnProfile) -> _Counter:
    distribution = column.distribution
    if isinstance(distribution, Categories):
        return _Texts(distribution)
    return _Numbers(distribution)
