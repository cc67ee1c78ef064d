"""Performance without labels: what is said, against what the labels show."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_cli.evaluation.metrics import METRICS, metrics_of
from mlops_cli.monitoring.performance.calibration import FEWEST, count_scores
from mlops_cli.monitoring.performance.estimate import (
    Estimated,
    estimate,
    flat,
    scores_of,
    self_check,
)
from mlops_cli.monitoring.performance.expected import METRICS as EXPECTED

Array = np.ndarray


def binary(rng: np.random.Generator, n: int, *, shift: float = 0.0) -> tuple[Array, Array]:
    """Labels, and the probabilities of a model that is far too sure of itself."""
    x = rng.normal(shift, 1.0, n)
    label = rng.random(n) < 1 / (1 + np.exp(1 - 1.5 * x))
    return label.astype(float), 1 / (1 + np.exp(0.5 - 2.5 * x))


def multiclass(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    x = 1.2 * rng.normal(size=(n, 3))
    chance = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    label = (rng.random((n, 1)) > chance.cumsum(axis=1)).sum(axis=1)
    said = np.exp(2 * x)
    return label.astype(float), said / said.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_every_metric_of_a_classifier_has_an_estimate(task: str) -> None:
    rng = np.random.default_rng(1)
    draw = {"binary": binary, "multiclass": multiclass}[task]
    target, said = draw(rng, 20_000)
    later, answers = draw(rng, 20_000)
    found = estimate(task, scores_of(task, target, said), answers)
    true = metrics_of(task, later, answers)
    assert set(found) == set(METRICS[task])
    for name, e in found.items():
        assert e.value == pytest.approx(true[name], abs=0.02), name
        assert e.low < e.value < e.high


def test_easier_rows_are_seen_without_a_label() -> None:
    rng = np.random.default_rng(2)
    target, said = binary(rng, 20_000)
    later, answers = binary(rng, 5_000, shift=2.0)
    found = estimate("binary", scores_of("binary", target, said), answers)
    true = metrics_of("binary", later, answers)
    before = metrics_of("binary", target, said)
    for name in ("accuracy", "brier", "average_precision"):
        assert abs(found[name].value - true[name]) < 0.2 * abs(before[name] - true[name])


def test_names_are_those_of_metrics_json() -> None:
    said = {"roc_auc": Estimated(0.8, 0.7, 0.9)}
    assert flat(said) == {"roc_auc": 0.8, "roc_auc_low": 0.7, "roc_auc_high": 0.9}


def test_an_empty_window_and_a_regression_have_none() -> None:
    target, said = binary(np.random.default_rng(3), 500)
    assert estimate("binary", scores_of("binary", target, said), said[:0]) == {}
    assert estimate("regression", scores_of("regression", target, said), said) == {}


def test_a_class_that_is_not_to_be_expected_has_no_auc() -> None:
    target, said = binary(np.random.default_rng(4), 5_000)
    found = estimate("binary", scores_of("binary", target, said), np.full(5, 0.001))
    assert "accuracy" in found
    assert not {"roc_auc", "average_precision"} & set(found)


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0])
def test_a_model_with_one_answer_for_all(constant: float) -> None:
    target = np.repeat([0.0, 1.0], 500)
    found = estimate(
        "binary", scores_of("binary", target, np.full(1000, constant)), np.full(200, constant)
    )
    assert found["roc_auc"].value == pytest.approx(0.5)
    assert found["accuracy"].value == pytest.approx(0.5)


def test_no_bin_tells_of_fewer_than_five_rows() -> None:
    rng = np.random.default_rng(5)
    scores = np.concatenate([np.repeat(rng.random(40), 24), rng.random(30)])
    counted = count_scores(scores, rng.random(len(scores)) < scores)
    assert sum(counted.rows) == len(scores)
    assert min(counted.rows) >= FEWEST
    assert list(counted.log_odds) == sorted(counted.log_odds)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_slopes_are_the_derivatives(task: str) -> None:
    rng = np.random.default_rng(6)
    _, said = {"binary": binary, "multiclass": multiclass}[task](rng, 40)
    said[:4] = said[4:8]  # ties
    chances = rng.dirichlet(np.ones(2 if task == "binary" else 3), 40)
    for name, expectation in EXPECTED[task].items():
        _, slopes = expectation(chances, said)
        for row in (0, 7, 20):
            # along the simplex: what one class gains another loses
            step = np.zeros_like(chances)
            step[row, 0], step[row, 1] = -1e-6, 1e-6
            up, down = (expectation(chances + s, said)[0] for s in (step, -step))
            slope = slopes[row, 1] - slopes[row, 0]
            assert (up - down) / 2e-6 == pytest.approx(slope, rel=1e-3, abs=1e-7), name


def test_estimates_that_missed_more_often_than_chance_are_unreliable() -> None:
    held, over = (0.7, 0.8, 0.75), (0.7, 0.8, 0.6)
    assert self_check([]).reliable
    assert self_check([over]).reliable  # one in twenty does
    assert not self_check([held] * 10 + [over] * 4).reliable
    assert self_check([over] * 5 + [held] * 30).reliable  # long ago
    found = self_check([held] * 28 + [over] * 2)
    assert (found.windows, found.missed, found.reliable) == (30, 2, True)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_intervals_hold_what_labels_show(task: str) -> None:
    rng = np.random.default_rng(7)
    draw = {"binary": binary, "multiclass": multiclass}[task]
    held: dict[str, list[bool]] = {}
    for _ in range(400):
        scores = scores_of(task, *draw(rng, 3_000))
        later, answers = draw(rng, 1_000)
        found = estimate(task, scores, answers)
        for name, value in metrics_of(task, later, answers).items():
            held.setdefault(name, []).append(found[name].low <= value <= found[name].high)
    shares = {name: float(np.mean(each)) for name, each in held.items()}
    assert min(shares.values()) > 0.88, shares
