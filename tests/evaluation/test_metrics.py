"""Metrics by name, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from mlops_cli.errors import DataError
from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.evaluate import evaluate
from mlops_cli.evaluation.metrics import METRICS, check_classes, metric_of, metrics_of

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, 200).astype(float)
P = np.clip(Y * 0.3 + RNG.random(200) * 0.7, 0.01, 0.99)


def test_binary_metrics_are_scikit_learns():
    found = metrics_of("binary", Y, P)
    assert found["roc_auc"] == sk.roc_auc_score(Y, P)
    assert found["log_loss"] == pytest.approx(sk.log_loss(Y, P))
    assert found["brier"] == pytest.approx(sk.brier_score_loss(Y, P))
    assert found["f1"] == sk.f1_score(Y, P >= 0.5)
    assert set(found) == {"roc_auc", "log_loss", "average_precision", "brier", "accuracy", "f1"}


def test_multiclass_metrics_are_scikit_learns():
    y = RNG.integers(0, 3, 300).astype(float)
    p = RNG.dirichlet([1, 1, 1], 300)
    found = metrics_of("multiclass", y, p)
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, p))
    assert found["f1_macro"] == sk.f1_score(y, p.argmax(axis=1), average="macro")


def test_probabilities_of_float32_make_no_warning():
    p = RNG.dirichlet([1, 1, 1], 300).astype(np.float32).astype(np.float64)
    assert metrics_of("multiclass", np.arange(300.0) % 3, p)["log_loss"] > 0


def test_regression_metrics():
    found = metrics_of("regression", np.array([1.0, 2, 4]), np.array([1.0, 3, 4]))
    assert found == {
        "rmse": pytest.approx(np.sqrt(1 / 3)),
        "mae": pytest.approx(1 / 3),
        "r2": pytest.approx(1 - 1 / (14 / 3)),
    }


def test_losses_are_to_be_small_and_scores_great():
    small = {m.name for ms in METRICS.values() for m in ms.values() if not m.greater_is_better}
    assert small == {"log_loss", "brier", "rmse", "mae"}


def test_a_metric_that_one_class_leaves_undefined_is_refused_with_numbers():
    metric = metric_of("binary", "roc_auc")
    with pytest.raises(DataError, match=r"hold-out part: of its 4 rows 4 are of class 0"):
        check_classes(np.zeros(4), classes=2, metric=metric, part="hold-out")
    check_classes(np.zeros(4), classes=2, metric=metric_of("binary", "log_loss"), part="hold-out")


def test_on_rows_of_one_class_the_other_metrics_are_still_there():
    assert "roc_auc" not in metrics_of("binary", np.zeros(4), np.full(4, 0.2))
    assert metrics_of("binary", np.zeros(4), np.full(4, 0.2))["accuracy"] == 1.0


def test_an_evaluation_names_the_main_metric_first_with_its_interval():
    flat = evaluate(Question("binary", "brier", 2), Y, P).flat("brier")
    assert list(flat)[:3] == ["brier", "brier_low", "brier_high"]
    assert flat["brier_low"] < flat["brier"] < flat["brier_high"]
