"""A target that no model can be fitted on is refused by its own name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Target
from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.errors import DataError
from mlops_cli.training import data


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_a_number_beyond_the_trees_own_is_refused(value: float) -> None:
    plan = FeaturePlan((), (), (), Target("price", None), None, 2, 0, 0)
    column = pa.chunked_array([pa.array([1.0, value])])
    with pytest.raises(DataError, match=r"'price' is NaN, infinite or beyond .* in 1 rows"):
        data._target(column, plan)
    assert data._target(pa.chunked_array([pa.array([1.0, -2.5])]), plan).tolist() == [1.0, -2.5]


def test_a_target_that_is_always_the_same_is_refused() -> None:
    plan = FeaturePlan((), (), (), Target("price", None), None, 3, 0, 0)
    with pytest.raises(DataError, match=r"'price' is 2.5 in every row that is left"):
        data._target(pa.chunked_array([pa.array([2.5, 2.5, 2.5])]), plan)
