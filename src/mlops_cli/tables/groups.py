"""Rows that belong together: of one subject, or of one value of `split.key`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def codes_of(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int64]:
    """The number of each row's subject, that `columns` name; each row of null has its own."""
    codes = np.zeros(table.num_rows, dtype=np.int64)
    missing = np.ones(table.num_rows, dtype=bool)
    for name in columns:
        encoded = table[name].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + np.asarray(encoded.indices.cast(pa.int64()))
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
        missing &= np.asarray(pc.is_null(table[name]))
    codes[missing] = len(codes) + np.arange(int(missing.sum()))
    return codes
