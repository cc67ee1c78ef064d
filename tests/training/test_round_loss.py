"""The loss that rounds are chosen by."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from mlops_cli.training.round_loss import round_loss

RNG = np.random.default_rng(0)


def test_a_shifted_base_rate_costs_nothing():
    truth = RNG.normal(size=20_000)
    y = (RNG.random(20_000) < 1 / (1 + np.exp(-truth))).astype(float)
    right = round_loss("binary", y, truth)
    assert right == pytest.approx(log_loss(y, 1 / (1 + np.exp(-truth))), abs=1e-4)
    assert round_loss("binary", y, truth + 0.7) == pytest.approx(right, abs=2e-3)
    assert round_loss("binary", y, truth * 0.2) > right + 0.05


def test_it_is_never_above_the_plain_log_loss():
    sure = np.full(1000, 30.0)
    y = np.array([1.0] * 990 + [0.0] * 10)
    assert round_loss("binary", y, sure) <= 0.31  # 10 of 1,000 rows are wrong by 30


def test_classes_have_an_intercept_each():
    truth = RNG.normal(size=(20_000, 3))
    chances = np.exp(truth) / np.exp(truth).sum(axis=1, keepdims=True)
    y = (chances.cumsum(axis=1) < RNG.random((20_000, 1))).sum(axis=1).astype(float)
    right = round_loss("multiclass", y, truth)
    assert right == pytest.approx(log_loss(y, chances), abs=1e-3)
    assert round_loss("multiclass", y, truth + np.array([0.5, -0.4, 0.0])) == pytest.approx(
        right, abs=5e-3
    )


def test_a_regression_is_judged_by_its_error():
    assert round_loss("regression", np.array([1.0, 3.0]), np.array([1.0, 1.0])) == 2**0.5
