"""A regression's losses without labels: what is said, against what the labels show."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from mlops_cli._json import canonical_json
from mlops_cli.bundle.profile import LossTree
from mlops_cli.evaluation.metrics import METRICS, metrics_of
from mlops_cli.monitoring.performance.losses import estimate_losses, losses_of

Array = np.ndarray


def rows(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> tuple[Array, Array, Array]:
    """Features with gaps, targets whose noise grows with one of them, and fair predictions."""
    x = rng.normal(shift, 1.0, (n, 3))
    prediction = 2 * x[:, 0] + x[:, 1]
    target = prediction + np.exp(0.5 * x[:, 2]) * rng.normal(size=n)
    x[rng.random((n, 3)) < 0.05] = np.nan
    return x, target, prediction


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_every_metric_of_a_regression_has_an_estimate(shift: float) -> None:
    rng = np.random.default_rng(1)
    tree = losses_of(*rows(rng, 20_000))
    features, target, predictions = rows(rng, 20_000, shift=shift)
    found = estimate_losses(tree, features, predictions)
    true = metrics_of("regression", target, predictions)
    assert set(found) == set(METRICS["regression"])
    for name, e in found.items():
        assert e.value == pytest.approx(true[name], rel=0.08), name
        assert e.low < e.value < e.high


def test_rows_where_the_model_errs_more_are_seen_without_a_label() -> None:
    rng = np.random.default_rng(2)
    tree = losses_of(*rows(rng, 20_000))
    quiet, _, said = rows(rng, 2_000)
    hard, _, answers = rows(rng, 2_000, shift=1.0)
    before, now = (
        estimate_losses(tree, quiet, said)["mae"],
        estimate_losses(tree, hard, answers)["mae"],
    )
    assert now.low > before.high


def test_the_same_rows_give_the_same_tree() -> None:
    table = rows(np.random.default_rng(3), 2_000)
    assert losses_of(*table) == losses_of(*table)


def test_a_bundle_holds_a_tree_that_asks_whether_a_value_is_missing() -> None:
    rng = np.random.default_rng(7)
    x = np.where(rng.random((2_000, 1)) < 0.5, np.nan, 1.0)
    said = np.zeros(2_000)
    target = np.where(np.isnan(x[:, 0]), 5.0, 1.0) * rng.normal(size=2_000)
    tree = losses_of(x, target, said)
    read = msgspec.json.decode(canonical_json(tree), type=LossTree)
    gap = np.isnan(x[:, 0])
    missing = estimate_losses(read, x[gap], said[gap])["mae"]
    there = estimate_losses(read, x[~gap], said[~gap])["mae"]
    assert missing.low > 3 * there.high


@pytest.mark.parametrize("n", [1, 5, 60])
def test_few_rows_are_one_leaf(n: int) -> None:
    features, target, predictions = rows(np.random.default_rng(4), n)
    tree = losses_of(features, target, predictions)
    found = estimate_losses(tree, features, predictions)
    assert found["mae"].value == pytest.approx(np.abs(target - predictions).mean(), rel=1e-6)


def test_an_empty_window_has_none() -> None:
    features, target, predictions = rows(np.random.default_rng(5), 500)
    assert (
        estimate_losses(losses_of(features, target, predictions), features[:0], predictions[:0])
        == {}
    )


@pytest.mark.slow
def test_intervals_hold_what_labels_show() -> None:
    rng = np.random.default_rng(6)
    held: dict[str, list[bool]] = {}
    for _ in range(300):
        tree = losses_of(*rows(rng, 3_000))
        features, target, predictions = rows(rng, 1_000)
        found = estimate_losses(tree, features, predictions)
        for name, value in metrics_of("regression", target, predictions).items():
            held.setdefault(name, []).append(found[name].low <= value <= found[name].high)
    shares = {name: float(np.mean(each)) for name, each in held.items()}
    assert min(shares.values()) > 0.88, shares
