"""Concept drift by labels that came: what is found, and how often nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from mlops_cli.monitoring.performance.estimate import estimate, scores_of
from mlops_cli.monitoring.performance.losses import losses_of
from mlops_cli.monitoring.performance.residuals import (
    ConceptDrift,
    classified_drift,
    regressed_drift,
)

Array = np.ndarray
LEVEL = 0.05


def subjects(rng: np.random.Generator, n: int, size: int) -> tuple[Array, Array]:
    """Codes of subjects, and what each of them adds: a share 0.3 of the noise's variance."""
    of = np.repeat(np.arange(n // size), size)
    own = rng.normal(size=n // size)[of]
    noise = rng.normal(size=n)
    return of, noise if size == 1 else np.sqrt(0.3) * own + np.sqrt(0.7) * noise


def labelled(
    rng: np.random.Generator, n: int, *, size: int = 1, shift: float = 0.0, concept: float = 0.0
) -> tuple[Array, Array, Array]:
    """Labels, a model's probabilities, and subjects; `concept` moves what a feature means."""
    of, noise = subjects(rng, n, size)
    x = rng.normal(shift, 1, n)
    label = x + 1.2 * noise > 0.8 + concept
    return label.astype(float), 1 / (1 + np.exp(-2.5 * (x - 0.5))), of


def measured(
    rng: np.random.Generator, n: int, *, size: int = 1, shift: float = 0.0, concept: float = 0.0
) -> tuple[Array, Array, Array, Array]:
    of, noise = subjects(rng, n, size)
    x = rng.normal(shift, 1, (n, 2))
    prediction = 3 * x[:, 0]
    target = prediction * (1 + concept) + np.exp(0.4 * x[:, 1]) * noise
    return x, target, prediction, of


def judged(task: str, rng: np.random.Generator, size: int = 1, **changed: float) -> ConceptDrift:
    n, m = (5_000, 1_000) if size == 1 else (8_000, 2_000)
    if task == "binary":
        target, said, of = labelled(rng, n, size=size)
        later, answers, whose = labelled(rng, m, size=size, **changed)
        grouped = (of, whose) if size > 1 else (None, None)
        scores = scores_of("binary", target, said, grouped[0])
        return classified_drift(scores, later, answers, grouped[1])
    features, target, said, of = measured(rng, n, size=size)
    rows, later, answers, whose = measured(rng, m, size=size, **changed)
    grouped = (of, whose) if size > 1 else (None, None)
    tree = losses_of(features, target, said, grouped[0])
    return regressed_drift(tree, rows, later, answers, grouped[1])


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_labels_that_go_with_answers_no_longer_are_found(task: str) -> None:
    found = judged(task, np.random.default_rng(1), concept=0.5)
    assert found.p_value < 1e-4
    assert abs(found.seen - found.expected) > 0.02


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_rows_of_another_kind_are_no_concept_drift(task: str) -> None:
    found = judged(task, np.random.default_rng(2), shift=0.4)
    assert found.p_value > 0.01
    assert found.seen == pytest.approx(found.expected, rel=0.1)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_few_rows_say_nothing(task: str) -> None:
    rng = np.random.default_rng(3)
    if task == "binary":
        target, said, _ = labelled(rng, 1_000)
        found = classified_drift(scores_of("binary", target, said), 1 - target[:20], said[:20])
    else:
        features, target, said, _ = measured(rng, 1_000)
        tree = losses_of(features, target, said)
        found = regressed_drift(tree, features[:20], target[:20] + 9, said[:20])
    assert (found.p_value, found.units) == (1.0, 20)


def test_one_of_many_classes_that_means_another_thing_is_found() -> None:
    rng = np.random.default_rng(4)

    def draw(n: int) -> tuple[Array, Array]:
        said = rng.dirichlet(np.ones(4), n)
        return (rng.random((n, 1)) > said.cumsum(axis=1)).sum(axis=1).astype(float), said

    target, said = draw(5_000)
    later, answers = draw(2_000)
    scores = scores_of("multiclass", target, said)
    assert classified_drift(scores, later, answers).p_value > 0.01
    turned = np.where((later == 3) & (rng.random(2_000) < 0.3), 2.0, later)
    assert classified_drift(scores, turned, answers).p_value < 1e-4


def test_rows_of_a_subject_widen_the_interval() -> None:
    rng = np.random.default_rng(5)
    target, said, of = labelled(rng, 8_000, size=40)
    alone, alike = (
        estimate("binary", scores_of("binary", target, said, groups), said[:2_000])["roc_auc"]
        for groups in (None, of)
    )
    assert alike.value == alone.value
    assert alike.high - alike.low > 1.5 * (alone.high - alone.low)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_quiet_windows_seldom_alarm(task: str, size: int) -> None:
    rng = np.random.default_rng(size)
    windows = 500
    alarms = sum(judged(task, rng, size).p_value <= LEVEL for _ in range(windows))
    assert alarms / windows <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / windows), alarms


@pytest.mark.slow
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_moved_concept_is_found(task: str) -> None:
    rng = np.random.default_rng(9)
    found = sum(judged(task, rng, concept=0.3).p_value <= 0.01 for _ in range(100))
    assert found >= 90
