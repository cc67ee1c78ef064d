"""Reliability: bins, a calibration error without what chance adds, and the line of log odds."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_cli.evaluation.reliability import reliability


def test_chance_is_taken_out_of_the_calibration_error():
    """A perfect model on few rows, many times: plain ECE is far from 0, the corrected one less."""
    rng = np.random.default_rng(0)
    plain, corrected, noise = [], [], []
    for _ in range(200):
        p = rng.beta(2, 3, 500)
        found = reliability((rng.random(500) < p).astype(float), p)
        plain.append(found.ece)
        corrected.append(found.ece_corrected)
        noise.append(found.noise)
    assert np.mean(plain) == pytest.approx(np.mean(noise), rel=0.1)
    assert np.mean(corrected) < 0.6 * np.mean(plain)


def test_a_true_error_stays():
    rng = np.random.default_rng(0)
    off = []
    for _ in range(200):
        p = rng.uniform(0.1, 0.8, 500)
        off.append(reliability((rng.random(500) < p + 0.1).astype(float), p).ece_corrected)
    assert np.mean(off) == pytest.approx(0.1, abs=0.01)


def test_the_line_of_log_odds():
    rng = np.random.default_rng(0)
    z = rng.normal(size=40_000)
    hit = (rng.random(40_000) < 1 / (1 + np.exp(-(0.5 * z + 0.3)))).astype(float)
    found = reliability(hit, 1 / (1 + np.exp(-z)))
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.intercept == pytest.approx(0.3, abs=0.05)
    assert sum(b.rows for b in found.bins) == 40_000
    assert all(b.low <= b.observed <= b.high for b in found.bins)


@pytest.mark.parametrize("p", [np.full(50, 0.3), np.repeat([0.0, 1.0], 25)])
def test_few_distinct_probabilities(p):
    found = reliability(np.tile([0.0, 1.0], 25), p)
    assert len(found.bins) == len(np.unique(p))
    assert np.isfinite([found.ece, found.ece_corrected, found.noise]).all()
