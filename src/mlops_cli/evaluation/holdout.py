"""The hold-out rows on which candidate and champion are both judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.evaluation.paired import Rows, Scores
from mlops_cli.tables.base import ROW

Array = NDArray[np.float64]
Value = Callable[[Array, Array], float]


def take_rows(batches: Iterable[pa.RecordBatch], rows: Rows) -> pa.Table:
    """The rows whose `__row__` is among `rows`, in the order of `rows`; each must be there once.

    Only the rows that are wanted are kept in memory.
    """
    wanted = pa.array(rows)
    kept = [batch.filter(pc.is_in(batch[ROW], value_set=wanted)) for batch in batches]
    table = pa.Table.from_batches(kept).combine_chunks()
    return table.take(pc.index_in(wanted, value_set=table[ROW].combine_chunks()))


def scores_of(
    values: tuple[Value, Value],
    target: Array,
    pair: tuple[Array, Array],
    *,
    classes: int,
) -> Scores:
    """The metric of two models' predictions (candidate, champion) on any of the rows.

    `values` are that metric by the threshold of each.
    NaN where fewer than `classes` distinct targets are among the rows: the metric is not defined.
    """

    def scores(rows: Rows) -> tuple[float, float]:
        y = target[rows]
        if classes and len(np.unique(y)) < classes:
            return math.nan, math.nan
        first, second = (float(value(y, p[rows])) for value, p in zip(values, pair, strict=True))
        return first, second

    return scores
