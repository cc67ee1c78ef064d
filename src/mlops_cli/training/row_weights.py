"""How much each row counts: `train.weights`, and what the training part must hold."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlops_cli.bundle.plan import WEIGHT, FeaturePlan
from mlops_cli.config.paths import FEATURES_TABLE
from mlops_cli.errors import DataError
from mlops_cli.tables.split import Split

Array = NDArray[np.float64]
_LARGEST = np.finfo(np.float32).max  # what fits sums of 32 bits


def weights_of(table: pa.Table, name: str | None) -> Array | None:
    """The weights of all rows, shape (n,); None where `train.weights` names no column.

    Raises `DataError` for weights that are null, negative or infinite, saying how many, and where
    all are zero.
    """
    if name is None:
        return None
    if WEIGHT not in table.column_names:
        raise DataError(
            f"{FEATURES_TABLE} lacks the column of train.weights", hint="mlops featurize"
        )
    values = np.asarray(table[WEIGHT].cast(pa.float64()).to_numpy(), dtype=np.float64)
    bad = {
        "null": np.isnan(values),
        "negative": values < 0,
        "infinite or beyond a 32-bit float": values > _LARGEST,
    }
    if said := [f"{what} in {int(rows.sum())} rows" for what, rows in bad.items() if rows.any()]:
        raise DataError(
            f"the weights {name!r} of {len(values)} rows are {', '.join(said)}",
            hint="a weight is 0 or more: hold it to that in the contract, or mend the table",
        )
    if not values.any():
        raise DataError(
            f"the weights {name!r} are 0 in all of {len(values)} rows: nothing is left to fit",
            hint="name another column under train.weights in mlops.yaml, or none",
        )
    return values


def check_training_part(
    target: Array, plan: FeaturePlan, parts: Split, weights: Array | None
) -> None:
    """Raise `DataError` where the training part lacks a class, or a part has no weight at all.

    A row of weight 0 counts as none.
    """
    for name, rows in (("training", parts.train), ("validation", parts.validation)):
        if weights is not None and not weights[rows].any():
            raise DataError(
                f"the {name} part's {len(rows)} rows have no weight above 0",
                hint="split otherwise, or look at the column of train.weights",
            )
    if plan.classes is None:
        return
    weighed = None if weights is None else weights[parts.train]
    codes = target[parts.train].astype(np.int64)
    counts = np.bincount(codes, weighed, minlength=len(plan.classes))
    absent = [plan.classes[i] for i in np.flatnonzero(counts == 0)]
    if absent:
        of_weight = "" if weights is None else " with a weight above 0"
        raise DataError(
            f"the training part's {len(codes)} rows hold no row of class {absent[0]!r} of the "
            f"target {plan.target.name!r}{of_weight}",
            hint="use split.by: stratified, a larger training part, or leave the class out",
        )
