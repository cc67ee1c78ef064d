"""One row of each subject: rows of one customer are alike, and count once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.tables.base import ROW, quote
from mlops_cli.tables.groups import codes_of

_FACTOR, _SIZE = 2654435761, 4294967296  # a multiplicative hash of the row's number: any of them


def one_of_each(table: pa.Table, columns: Sequence[str]) -> NDArray[np.int64]:
    """The ascending positions of one row of each subject, that `columns` name; of null all.

    Which one follows from its number `__row__` alone, and is any of them.
    """
    codes = codes_of(table, columns)
    order = np.argsort(np.asarray(table[ROW]).astype(np.int64) * _FACTOR % _SIZE, kind="stable")
    firsts = np.unique(codes[order], return_index=True)[1]
    return np.sort(order[firsts])


def one_of_each_sql(relation: str, columns: Sequence[str]) -> str:
    """A query of `__row__` of one row of each subject of a relation; of null all."""
    names = [quote(name) for name in columns]
    alone = " and ".join(f"{name} is null" for name in names)
    return (
        f"select arg_min({ROW}, ({ROW} * {_FACTOR}) % {_SIZE}) from {relation} "
        f"group by {', '.join(names)}, case when {alone} then {ROW} end"
    )
