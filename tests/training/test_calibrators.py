"""Calibrators: what they make of numbers that are too sure, of few rows, and of useless models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from mlops_cli.bundle.calibration import Isotonic, Sigmoid, Temperature
from mlops_cli.errors import DataError
from mlops_cli.serving.calibration import calibrated, log_odds
from mlops_cli.training.calibrators import FEWEST, Method, fit_calibrator

METHODS: list[Method] = ["isotonic", "sigmoid", "temperature"]


def drawn(n: int, *, times: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities whose log odds are so many times too large."""
    rng = np.random.default_rng(seed)
    margins = rng.normal(-0.5, 1.2, n)
    target = (rng.random(n) < 1 / (1 + np.exp(-margins))).astype(np.float64)
    return target, 1 / (1 + np.exp(-times * margins))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_is_too_sure_is_right_afterwards_on_other_rows(method: Method) -> None:
    calibrator = fit_calibrator(method, *drawn(4000))
    target, raw = drawn(20_000, seed=1)
    found = calibrated(calibrator, raw)
    assert log_loss(target, found) < log_loss(target, raw) - 0.15
    bins = np.digitize(found, np.quantile(found, np.arange(0.1, 1, 0.1)))
    gaps = [abs(found[bins == b].mean() - target[bins == b].mean()) for b in range(10)]
    assert max(gaps) < 0.05
    assert roc_auc_score(target, found) == pytest.approx(roc_auc_score(target, raw), abs=1e-9)


def test_the_temperature_is_the_one_that_was_planted() -> None:
    found = fit_calibrator("temperature", *drawn(50_000, times=3.0))
    assert isinstance(found, Temperature)
    assert found.temperature == pytest.approx(3.0, rel=0.05)
    rng = np.random.default_rng(0)
    margins = rng.normal(0, 1, (50_000, 4))
    true = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    target = (true.cumsum(axis=1) < rng.random(50_000)[:, None]).sum(axis=1).astype(np.float64)
    raw = true**0.5 / (true**0.5).sum(axis=1, keepdims=True)
    of_classes = fit_calibrator("temperature", target, raw)
    assert isinstance(of_classes, Temperature)
    assert of_classes.temperature == pytest.approx(0.5, rel=0.05)


def test_the_sigmoid_is_a_logistic_regression_of_the_log_odds() -> None:
    target, raw = drawn(20_000)
    found = fit_calibrator("sigmoid", target, raw)
    assert isinstance(found, Sigmoid)
    same = LogisticRegression(C=np.inf, tol=1e-8).fit(log_odds(raw)[:, None], target)
    assert found.slope == pytest.approx(same.coef_[0, 0], rel=1e-2)  # Platt's targets differ a bit
    assert found.intercept == pytest.approx(same.intercept_[0], abs=1e-2)


def test_the_table_goes_through_the_blocks_of_an_isotonic_regression() -> None:
    target, raw = drawn(3000)
    found = fit_calibrator("isotonic", target, raw)
    steps = IsotonicRegression().fit(raw, target).predict(raw)
    apart = np.abs(calibrated(found, raw) - steps)
    assert apart.mean() < 0.02  # lines between the centres, and one row more a block


rows = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()),
    min_size=FEWEST,
    max_size=60,
).filter(lambda drawn: len({y for _, y in drawn}) == 2)


@given(rows, st.sampled_from(METHODS))
def test_any_rows_give_a_calibrator_that_keeps_their_order(
    drawn: list[tuple[float, bool]], method: Method
) -> None:
    raw, target = (np.array(column, dtype=np.float64) for column in zip(*drawn, strict=True))
    found = fit_calibrator(method, target, raw)
    grid = np.linspace(0, 1, 101)
    answers = calibrated(found, grid)
    assert np.isfinite(answers).all()
    assert (np.diff(answers) >= 0).all()
    assert answers.min() > 0
    assert answers.max() < 1
    if isinstance(found, Isotonic):
        assert (found.x[0], found.x[-1]) == (0, 1)
        assert (np.diff(found.x) > 0).all()
        assert (np.diff(found.y) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_is_the_wrong_way_round_says_nothing(method: Method) -> None:
    target, raw = drawn(3000)
    answers = calibrated(fit_calibrator(method, target, 1 - raw), 1 - raw)
    assert np.ptp(answers) < 0.02
    if method != "temperature":  # which moves no mean
        assert answers.mean() == pytest.approx(target.mean(), abs=0.02)


def test_a_few_rows_that_agree_make_nothing_certain() -> None:
    target = np.array([0.0] * 50 + [1.0] * 3)
    raw = np.concatenate([np.linspace(0.01, 0.5, 50), [0.8, 0.9, 0.95]])
    for method in METHODS:
        answers = calibrated(fit_calibrator(method, target, raw), np.array([0.0, 0.85, 1.0]))
        assert answers.min() > 0
        assert answers.max() < 1
    top = calibrated(fit_calibrator("isotonic", target, raw), np.array([0.9]))
    assert top[0] < 0.8  # three rows and one more at the base rate


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("target", "said"), [([0, 1] * 4, "8 rows"), ([0] * 40, "40 of class 0, 0 of class 1")]
)
def test_too_few_rows_or_a_class_without_one_is_refused(
    method: Method, target: list[int], said: str
) -> None:
    with pytest.raises(DataError, match=said) as e:
        fit_calibrator(method, np.array(target, np.float64), np.full(len(target), 0.5))
    assert "split.validation" in str(e.value.hint)
