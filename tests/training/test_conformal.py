"""Intervals: the rank by which they are made, and that they cover what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlops_cli.errors import DataError
from mlops_cli.serving.calibration import with_interval
from mlops_cli.training.conformal import fewest, quantile_width, residual_width


@pytest.mark.parametrize(("level", "n"), [(0.9, 9), (0.9, 99), (0.5, 7), (0.8, 4), (0.95, 1000)])
def test_the_width_is_the_residual_of_that_rank(level: float, n: int) -> None:
    target = np.random.default_rng(0).permutation(n).astype(np.float64)
    ranked = sorted(abs(target - 0.0))
    assert (
        residual_width(target, np.zeros(n), level)
        == ranked[math.ceil(round((n + 1) * level, 9)) - 1]
    )


@pytest.mark.parametrize(("level", "rows"), [(0.9, 9), (0.8, 4), (0.95, 19), (0.99, 99), (0.5, 1)])
def test_fewer_rows_than_the_level_asks_for_are_refused(level: float, rows: int) -> None:
    assert fewest(level) == rows
    target = np.arange(rows, dtype=np.float64)
    assert residual_width(target, np.zeros(rows), level) == rows - 1
    with pytest.raises(DataError, match=f"needs {rows} rows.* there are {rows - 1}") as e:
        residual_width(target[1:], np.zeros(rows - 1), level)
    assert "split.validation" in str(e.value.hint)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_rows_of_the_same_kind_are_covered_as_often_as_promised(level: float) -> None:
    rng = np.random.default_rng(0)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.uniform(0, 4, n)
        return x, x + rng.normal(0, 0.2 + x / 2)

    covered: dict[str, list[float]] = {"residuals": [], "quantiles": []}
    for _ in range(200):
        (x, y), (new, truth) = rows(60), rows(200)
        width = residual_width(y, x, level)
        covered["residuals"].append(float(np.mean(np.abs(truth - new) <= width)))
        # Quantiles that are too narrow, and cross below 1.
        added = quantile_width(y, x - x / 3 + 0.3, x + x / 3 - 0.3, level)
        found = with_interval(new, added, (new - new / 3 + 0.3, new + new / 3 - 0.3))
        inside = (found[:, 1] <= truth) & (truth <= found[:, 2])
        covered["quantiles"].append(float(np.mean(inside)))
    promised = math.ceil(61 * level) / 61
    for name, shares in covered.items():
        assert abs(np.mean(shares) - promised) < 0.02, name
