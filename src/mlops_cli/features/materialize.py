"""The rows of features that are looked up, in the buckets of a store."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from mlops_cli.features.online import KEY, Rows, T
from mlops_cli.serving.online.base import Cells, Chunk, GroupState, State
from mlops_cli.serving.online.lookup import encode_key
from mlops_cli.serving.online.parts import MERGE
from mlops_cli.tables.base import Engine, quote

_pack = msgspec.msgpack.Encoder().encode
_SECOND = 1_000_000
_LEAST, _MOST = 32, 4096  # moments of the densest key in a bucket
_BATCH = 65_536
_KEPT = 4  # a width that is so many times off is kept: another one writes the store anew


@dataclass(slots=True)
class Filled:
    """What went into a store so far."""

    keys: int = 0
    moments: int = 0


@dataclass(slots=True)
class Buckets:
    """The chunks of all groups; `groups` is known before the first of them."""

    engine: Engine
    rows: Sequence[Rows]
    groups: dict[str, GroupState]
    filled: Filled = field(default_factory=Filled)

    def chunks(self) -> Iterator[Chunk]:
        """By group, key and bucket, each of which comes once."""
        for rows in self.rows:
            yield from self._of_group(rows)

    def _of_group(self, rows: Rows) -> Iterator[Chunk]:
        width = self.groups[rows.group].width
        merges = [MERGE[part.kind] for part in rows.parts]
        open_: _Open | None = None
        seen: tuple[Any, ...] | None = None
        for batch in self.engine.batches(rows.sql, rows=_BATCH):
            for keys, bucket, cells in _pieces(batch, rows, width):
                if open_ is not None and (open_.keys, open_.bucket) == (keys, bucket):
                    for own, more in zip(open_.cells, cells, strict=True):
                        own.extend(more)
                    continue
                if open_ is not None:
                    yield self._chunk(rows.group, open_, merges)
                self.filled.keys += keys != seen
                seen, open_ = keys, _Open(keys, bucket, cells)
        if open_ is not None:
            yield self._chunk(rows.group, open_, merges)

    def _chunk(self, group: str, of: _Open, merges: Sequence[Any]) -> Chunk:
        self.filled.moments += len(of.cells[0])
        totals = [merge(cells) for merge, cells in zip(merges, of.cells[1:], strict=True)]
        key = encode_key(of.keys)
        return Chunk(group, key, of.bucket, _pack(totals), _pack(of.cells))


@dataclass(slots=True)
class _Open:
    """A bucket of which more may come: times, and a list of cells for each part."""

    keys: tuple[Any, ...]
    bucket: int
    cells: list[Cells]


def open_buckets(engine: Engine, rows: Sequence[Rows], before: State | None) -> Buckets:
    """The buckets of all rows; widths are those of `before`, as long as they suit."""
    known: Mapping[str, GroupState] = before.groups if before is not None else {}
    groups = {}
    for of in rows:
        width, kept = _width(engine, of), known.get(of.group)
        if kept is not None and width / _KEPT <= kept.width <= width * _KEPT:
            width = kept.width
        groups[of.group] = GroupState(width, tuple(part.id for part in of.parts))
    return Buckets(engine, rows, groups)


def _width(engine: Engine, rows: Rows) -> int:
    """So that a window of the densest key has about as many buckets as a bucket has moments."""
    keys = ", ".join(quote(f"{KEY}{i}") for i in range(rows.keys))
    by = f"group by {keys}" if keys else ""
    per_key = f"select count(*) as n, max({T}) - min({T}) as span from ({rows.sql}) {by}"
    found = engine.rows(f"select n, span from ({per_key}) where n > 0 order by n desc limit 1")
    n, span = found[0] if found else (0, 0)
    if n <= _LEAST or not span:
        return max(_SECOND, _power(max(span, 1) + 1))
    density = n / span
    window = max(rows.windows, default=0)
    moments = min(max(math.sqrt(density * window), _LEAST), _MOST)
    return max(_SECOND, _power(moments / density))


def _power(number: float) -> int:
    """The next power of two."""
    return 1 << math.ceil(math.log2(number))


def _pieces(
    batch: pa.RecordBatch, rows: Rows, width: int
) -> Iterator[tuple[tuple[Any, ...], int, list[Cells]]]:
    """The rows of a batch that are of one key and bucket, in their order."""
    if not batch.num_rows:
        return
    times = np.asarray(batch.column(rows.keys).to_numpy(zero_copy_only=False), np.int64)
    keys = [batch.column(i).to_pylist() for i in range(rows.keys)]
    buckets = times // width
    changes = buckets[1:] != buckets[:-1]
    for i in range(rows.keys):
        codes = batch.column(i).dictionary_encode().indices.to_numpy(zero_copy_only=False)
        changes |= codes[1:] != codes[:-1]
    starts = [0, *(np.flatnonzero(changes) + 1).tolist(), batch.num_rows]
    columns = [times.tolist(), *(c.to_pylist() for c in batch.columns[rows.keys + 1 :])]
    for start, end in itertools.pairwise(starts):
        key = tuple(column[start] for column in keys)
        yield key, int(buckets[start]), [column[start:end] for column in columns]
