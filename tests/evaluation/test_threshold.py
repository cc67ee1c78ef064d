"""The threshold of least cost is the one that trying all of them finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_cli.evaluation.threshold import Costs, cost_of, least_cost

chances = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nextafter(0.5, 1)])
rows = st.lists(st.tuples(chances, st.booleans()), min_size=1, max_size=40)
cost = st.floats(0.01, 100)


def by_trying(target: np.ndarray, p: np.ndarray, costs: Costs) -> float:
    """The least cost of every threshold in [0, 1] that parts the rows otherwise."""
    tried = [0.0, 1.0, *p, *np.nextafter(p, 2)]
    return min(cost_of(t, target, p, costs) for t in tried if t <= 1)


@given(rows, cost, cost)
def test_no_threshold_costs_less(
    drawn: list[tuple[float, bool]], positive: float, negative: float
) -> None:
    p, target = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    costs = Costs(positive, negative)
    found = least_cost(target, p, costs)
    assert 0 <= found.value <= 1
    assert found.cost == pytest.approx(by_trying(target, p, costs), rel=1e-9, abs=1e-12)
    assert found.cost == cost_of(found.value, target, p, costs)
    assert found.rows == len(p)


def test_of_several_it_is_nearest_to_what_the_costs_name_and_amid_its_gap() -> None:
    p, target = np.array([0.1, 0.2, 0.7, 0.9]), np.array([0.0, 0.0, 1.0, 1.0])
    assert least_cost(target, p, Costs(1, 3)).value == 0.25  # 1 / (1 + 3), inside the gap
    assert least_cost(target, p, Costs(1, 1)).value == 0.5
    assert least_cost(target, p, Costs(1, 99)).value == pytest.approx(0.45)  # amid 0.2 and 0.7


def test_what_no_threshold_can_help_is_all_of_one_label() -> None:
    p = np.array([0.2, 0.4, 0.6])
    never = least_cost(np.zeros(3), p, Costs(1, 1))
    assert (never.cost, bool((p >= never.value).any())) == (0.0, False)
    always = least_cost(np.ones(3), p, Costs(1, 1))
    assert (always.cost, bool((p >= always.value).all())) == (0.0, True)
