"""The grid finds the very cells that a binary search finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_cli.monitoring.counts.cells import Cells

FINITE = st.floats(allow_nan=False, allow_infinity=False)


def beside(edges: np.ndarray) -> np.ndarray:
    """Each edge and its neighbours among the doubles."""
    with np.errstate(over="ignore"):
        near = [np.nextafter(edges, side) for side in (-np.inf, np.inf)]
    values = np.concatenate([edges, *near])
    return values[np.isfinite(values)]


@settings(deadline=None)
@given(st.sets(FINITE, max_size=40), st.lists(FINITE, max_size=40))
def test_any_edges_and_values(edges, values):
    ordered = np.array(sorted(edges), dtype=np.float64)
    sought = np.concatenate([np.array(values, dtype=np.float64), beside(ordered)])
    found = Cells(ordered).of(sought)
    assert found.tolist() == np.searchsorted(ordered, sought, side="left").tolist()


@pytest.mark.parametrize(
    "edges",
    [
        np.sort(np.random.default_rng(0).normal(size=128)),
        np.unique([*range(24), *np.nextafter(np.arange(24.0), -1)]),
        np.append(np.linspace(0, 1, 128), 1e300),
        np.linspace(1e15, 1e15 + 100, 128),
    ],
    ids=["quantiles", "listed values", "an outlier", "far from zero"],
)
def test_many_values_on_and_beside_the_edges(edges):
    drawn = np.random.default_rng(1).uniform(edges[0] - 1, min(edges[-1], edges[0] + 200), 5000)
    sought = np.concatenate([drawn, beside(edges)])
    expected = np.searchsorted(edges, sought, side="left")
    assert (Cells(edges).of(sought) == expected).all()
