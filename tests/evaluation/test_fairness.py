"""Fairness by group: as counted by hand, with intervals, and nothing told of a few rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.fairness import fairness_of
from mlops_cli.evaluation.groups import OTHERS, crossed, groups_of
from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.shares import ratio_of_shares, wilson


def judged(y, p, threshold=0.5):
    question = Question("binary", "roc_auc", 2)
    return Judged(question, (False, True), np.array(y, float), np.array(p, float), threshold)


def groups(values):
    return groups_of(pa.chunked_array([values]))


def world(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    place = rng.choice(["north", "south", "east"], n, p=[0.5, 0.3, 0.2])
    p = rng.beta(2, 2, n) * np.where(place == "east", 0.7, 1.0)
    return place, (rng.random(n) < p).astype(float), p


def test_rates_are_those_counted_by_hand():
    place, y, p = world()
    found = fairness_of(judged(y, p, threshold=0.4), {"place": groups(place)})["place"]
    assert found.groups.keys() == {"north", "south", "east"}
    for name, rates in found.groups.items():
        here, label = place == name, p >= 0.4
        assert rates.rows == here.sum()
        assert rates.selection_rate == label[here].mean()
        assert rates.true_positive_rate == label[here & (y == 1)].mean()
        assert rates.false_positive_rate == label[here & (y == 0)].mean()
        assert rates.base_rate == y[here].mean()
        assert rates.calibration == pytest.approx(p[here].mean() - y[here].mean())
        for of, (low, high) in rates.intervals.items():
            assert low <= getattr(rates, of) <= high
    impact = found.disparate_impact
    rates = {name: r.selection_rate for name, r in found.groups.items()}
    assert (impact.lowest, impact.value) == ("east", min(rates.values()) / max(rates.values()))
    assert impact.low < impact.value < impact.high
    assert not impact.holds
    assert impact.sure
    gap = max(rates.values()) - min(rates.values())
    assert found.demographic_parity_difference == gap
    assert found.equalized_odds_difference >= found.equal_opportunity_difference


def test_two_columns_are_crossed():
    place, y, p = world()
    old = np.random.default_rng(1).random(len(y)) < 0.4
    found = fairness_of(judged(y, p), {"place": groups(place), "old": groups(old)})
    assert found.keys() == {"place", "old", "place & old"}
    both = found["place & old"].groups["east & true"]
    here = (place == "east") & old
    assert (both.rows, both.selection_rate) == (here.sum(), (p >= 0.5)[here].mean())


def test_nothing_is_told_of_fewer_than_five_rows():
    values = ["a"] * 50 + ["b"] * 40 + ["c"] * 4 + ["d"] * 2 + [None] * 3
    found = groups(values)
    assert dict(zip(found.names, found.sizes, strict=True)) == {"a": 50, "b": 40, OTHERS: 9}
    alone = groups(["a"] * 50 + ["b"] * 40 + ["c"] * 3)
    # what is left of all rows without those that are told would be the three
    assert dict(zip(alone.names, alone.sizes, strict=True)) == {"a": 50, OTHERS: 43}
    pair = crossed(groups(["x"] * 90 + ["y"] * 9), found)
    assert min(pair.sizes) >= 5
    assert "x & a" in pair.names


def test_a_rate_of_fewer_than_five_rows_is_not_told():
    y = [1.0] * 3 + [0.0] * 40
    found = fairness_of(judged(y, [0.9] * 43), {"g": groups(["a"] * 43)})["g"]
    rates = found.groups["a"]
    assert rates.true_positive_rate is None
    assert "true_positive_rate" not in rates.intervals
    assert rates.false_positive_rate == 1.0
    assert found.disparate_impact is None


def test_a_small_group_is_told_and_compared_with_none():
    place = ["a"] * 100 + ["b"] * 100 + ["c"] * 10
    p = [0.9] * 80 + [0.1] * 20 + [0.9] * 70 + [0.1] * 30 + [0.1] * 10
    found = fairness_of(judged([1.0, 0.0] * 105, p), {"g": groups(place)})["g"]
    assert found.groups["c"].small
    assert found.groups["c"].selection_rate == 0.0
    assert (found.disparate_impact.lowest, found.disparate_impact.value) == ("b", 0.7 / 0.8)
    assert found.disparate_impact.holds
    assert not found.disparate_impact.sure


def test_numbers_are_grouped_in_bands():
    found = groups(np.arange(1000.0))
    assert len(found.names) == 4
    assert set(found.sizes) == {250}
    assert groups([1, 2, 3] * 10).names == ("1", "2", "3")


def test_nobody_is_selected():
    found = fairness_of(judged([0.0, 1.0] * 50, [0.1] * 100), {"g": groups(["a", "b"] * 50)})
    assert found["g"].disparate_impact is None


def test_the_interval_of_a_ratio_covers():
    rng = np.random.default_rng(0)
    hits = np.stack([rng.binomial(200, 0.3, 2000), rng.binomial(300, 0.4, 2000)], axis=1)
    inside = [
        low <= 0.75 <= high
        for a, b in hits.tolist()
        for low, high in [ratio_of_shares((a, 200), (b, 300))]
    ]
    assert 0.935 < np.mean(inside) < 0.97
    assert wilson(0, 10)[0] == 0.0
    # Wilson 1927, as Newcombe 1998 gives it for 81 of 263
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
