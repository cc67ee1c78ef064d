"""Arrow columns as numbers and counts: the one reading of a value that profile and drift share."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_TO_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DAY = 86_400.0


def doubles(column: pa.ChunkedArray | pa.Array) -> NDArray[np.float64]:
    """A column as doubles, shape (n,); null is NaN.

    Booleans are 0 and 1, dates and timestamps seconds since 1970 UTC. Raises `TypeError` for a
    column of another type.
    """
    kind, scale = column.type, 1.0
    if pa.types.is_timestamp(kind):
        column, scale = column.cast(pa.int64()), _TO_SECONDS[kind.unit]
    elif pa.types.is_date32(kind):
        column, scale = column.cast(pa.int32()), _DAY
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise TypeError(f"{kind} is not a number")
    values = np.asarray(column.cast(pa.float64(), safe=False))
    # Adding zero turns -0.0 into 0.0: they are equal, but would sort and print in any order.
    return values * scale + 0.0


def numbers(column: pa.ChunkedArray | pa.Array) -> NDArray[np.float64]:
    """The values of `doubles` without the missing ones (null, NaN, infinite)."""
    values = doubles(column)
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def texts(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """The count of each text of a column; null is left out."""
    counted = pc.value_counts(column.drop_null().cast(pa.string()))
    keys, counts = counted.field("values"), counted.field("counts")
    return dict(zip(keys.to_pylist(), counts.to_pylist(), strict=True))


def bucket_counts(counts: Mapping[str, int], buckets: int) -> NDArray[np.int64]:
    """The rows in each of `buckets` cells, shape (buckets,), that crc32 puts texts into."""
    cells = [zlib.crc32(text.encode()) % buckets for text in counts]
    rows = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
    sums = np.zeros(buckets, dtype=np.int64)
    np.add.at(sums, np.array(cells, dtype=np.int64), rows)
    return sums
