"""What a column of personal data may give away of itself: nothing of fewer than five rows."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.expressions.tree import FeatureTree, columns_of

FEWEST = 5  # rows that share what is told


def frequent(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The values of a column that at least `FEWEST` rows have, null left out."""
    counted = pc.value_counts(column.drop_null())
    return counted.field("values").filter(pc.greater_equal(counted.field("counts"), FEWEST))


def reading(trees: Iterable[FeatureTree], sensitive: Iterable[str]) -> frozenset[str]:
    """The columns `sensitive` and the features that read one of them, by name."""
    columns = set(sensitive)
    return frozenset(columns | {t.name for t in trees if columns & set(columns_of(t.tree))})


def withheld(column: pa.ChunkedArray, instead: str | None) -> pa.ChunkedArray:
    """The column without what stands out in it.

    A text of fewer than `FEWEST` rows is `instead`; every other value is between the `FEWEST`th
    from either end (the middle one, of fewer values than two times that).
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        kept = pc.or_(pc.is_in(column, value_set=frequent(column)), pc.is_null(column))
        return pc.if_else(kept, column, pa.scalar(instead, column.type))
    present = column.drop_null()
    n = len(present)
    if not n:
        return column
    order = pc.sort_indices(present)
    places = (FEWEST - 1, n - FEWEST) if n >= 2 * FEWEST else (n // 2, n // 2)
    low, high = (present[order[at].as_py()] for at in places)
    column = pc.if_else(pc.less(column, low), low, column)
    return pc.if_else(pc.greater(column, high), high, column)
