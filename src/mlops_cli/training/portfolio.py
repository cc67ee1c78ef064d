"""Parameters that do well together on tables at large; `benchmarks/portfolio.py` chose them."""

from __future__ import annotations

from mlops_cli.training.base import Params


def _trees(depth: int, weight: float, rows: float, columns: float, penalty: float) -> Params:
    return {
        "max_depth": depth,
        "min_child_weight": weight,
        "subsample": rows,
        "colsample_bytree": columns,
        "lambda": penalty,
    }


# The one that helps most comes first: a large table has time for the first few alone.
PORTFOLIO: tuple[Params, ...] = (
    _trees(2, 2.5, 0.64, 0.48, 3.8),
    _trees(5, 4.5, 0.78, 1.0, 10.8),
    _trees(7, 1.0, 0.92, 0.41, 2.2),
    _trees(10, 14.7, 0.89, 0.46, 2.5),
    _trees(10, 1.0, 0.6, 0.78, 1.8),
)
