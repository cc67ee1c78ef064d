"""From an Arrow table to the model's matrix: every value a float32, missing is NaN."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Feature
from mlops_cli.errors import DataError
from mlops_cli.tables.disclosure import frequent


def encode(table: pa.Table | pa.RecordBatch, features: Sequence[Feature]) -> NDArray[np.float32]:
    """The matrix of `table`'s `n` rows and the given `f` features, C-contiguous (n, f).

    Numeric values go through float64; null, NaN, infinite and what float32 cannot hold is NaN;
    booleans are 0 and 1. A category is its index in `Feature.categories`; null and unseen are NaN.
    Raises `DataError` for a column that is missing or not of the feature's kind.
    """
    matrix = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for j, feature in enumerate(features):
        column = _column(table, feature.name)
        if feature.kind == "category":
            matrix[:, j] = _codes(column, feature)
        else:
            matrix[:, j] = _numbers(column, feature.name)
    return matrix


def frozen_categories(
    table: pa.Table | pa.RecordBatch, names: Iterable[str], sensitive: Collection[str] = ()
) -> dict[str, tuple[str, ...]]:
    """The distinct texts of each named column, sorted by code point, null left out.

    Those of fewer than five rows are not told of a `sensitive` column: to a model they are missing.
    """
    return {
        name: tuple(sorted(_texts(_column(table, name), name, few=name not in sensitive)))
        for name in names
    }


def _column(table: pa.Table | pa.RecordBatch, name: str) -> pa.Array:
    if table.schema.get_field_index(name) < 0:  # a list of names is made anew for each look
        raise DataError(f"the table has no column {name!r}", hint="run `mlops run` again")
    column = table.column(name)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbers(column: pa.Array, name: str) -> NDArray[np.float32]:
    kind = column.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DataError(f"the column {name!r} holds {kind}, and the feature is numeric")
    # Unsafe, since a whole number above 2**53 is rounded, as it is everywhere else.
    source = column.cast(pa.uint8()) if pa.types.is_boolean(kind) else column
    wide = source.cast(pa.float64(), safe=False)
    values = np.asarray(wide.to_numpy(zero_copy_only=False), dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(np.float32)
    narrow[~np.isfinite(narrow)] = np.nan
    return narrow


def _codes(column: pa.Array, feature: Feature) -> NDArray[np.float32]:
    if feature.categories is None:
        raise DataError(f"the categories of {feature.name!r} are not frozen yet")
    texts = _as_text(column, feature.name)
    known = pa.array(feature.categories, type=texts.type)
    indices = pc.index_in(texts, value_set=known, skip_nulls=True)
    codes = indices.to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.float32)


def _texts(column: pa.Array, name: str, *, few: bool) -> list[str]:
    texts = _as_text(column, name)
    distinct: list[str | None] = (texts.unique() if few else frequent(texts)).to_pylist()
    return [text for text in distinct if text is not None]


def _as_text(column: pa.Array, name: str) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return column.cast(pa.string()) if pa.types.is_null(kind) else column
    raise DataError(f"the column {name!r} holds {kind}, and the feature is a category")
