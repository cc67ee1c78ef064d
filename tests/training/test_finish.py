"""The finish: what folds say of a table's own rows makes the final model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mlops_cli.evaluation.metrics import METRICS
from mlops_cli.testing.estimator import FEATURES, MAIN, make_part, opened
from mlops_cli.training.base import Part, Problem
from mlops_cli.training.finish import (
    ETA,
    LEAST_ROWS,
    MOST_CELLS,
    Entrant,
    FoldParts,
    candidates,
    finish,
    step_of,
)
from mlops_cli.training.greedy import greedy_weights, margins_of, predictions_of
from mlops_cli.training.portfolio import PORTFOLIO
from mlops_cli.training.round_loss import round_loss

FOUND = {"max_depth": 3, "eta": 0.3}


def problem(task="binary", **fixed):
    classes = {"binary": 2, "multiclass": 3, "regression": 0}[task]
    return Problem(task, FEATURES, classes, MAIN[task], 0, fixed, threads=1)


def entrant(name="xgboost", task="binary", found=FOUND, rounds=10):
    return Entrant(name, opened(name, task), found, rounds)


def tried(asked, rows, *names):
    one = [entrant(name, asked.task) for name in names or ["xgboost"]]
    return candidates(one, asked, rows, 300)


def test_as_many_go_through_the_folds_as_the_size_of_the_table_allows():
    sizes = (LEAST_ROWS, MOST_CELLS // 8 - 3000, MOST_CELLS // 4 - 2999)
    assert [len(tried(problem(), n)) for n in sizes] == [1 + len(PORTFOLIO), 2, 0]
    assert tried(problem(), LEAST_ROWS - 1) == []
    assert tried(problem("multiclass"), sizes[1]) == []


def test_what_is_found_comes_first_and_what_is_fixed_in_none():
    first, *_ = tried(problem(), 1000)
    assert first.params == {"max_depth": 3, "eta": ETA}
    made = tried(problem(max_depth=2, eta=0.2), 1000)
    assert not any({"max_depth", "eta"} & each.params.keys() for each in made)


@pytest.mark.parametrize("task", list(MAIN))
def test_the_average_is_better_than_the_fit_that_it_begins_with(task):
    whole, others = make_part(task, 1000), make_part(task, 3000, seed=1)
    estimator, tries = opened("xgboost", task), tried(problem(task), 1000)[:3]
    edges = np.arange(0, 1001, 200)
    folds = [
        (
            lambda a=a, b=b: FoldParts(
                without(whole, a, b), Part(whole.matrix[a:b], whole.target[a:b])
            )
        )
        for a, b in pairwise(edges)
    ]
    made = finish(problem(task), tries, folds, most=4000)
    again = finish(problem(task), tries, folds, most=4000)
    assert made.fits == again.fits
    assert sum(fit.weight for fit in made.fits) == pytest.approx(1)
    assert len(made.fits) >= 4
    assert made.folds.tolist() == np.repeat(range(5), 200).tolist()
    model = estimator.average(whole, made.fits)
    plain = estimator.fit(whole, FOUND, 100)
    worth = "rmse" if task == "regression" else "log_loss"
    value = METRICS[task][worth].value
    assert value(others.target, model.predict(others.matrix)) < value(
        others.target, plain.predict(others.matrix)
    )
    # What is said of rows that were not seen is about as good as on other rows.
    unseen = value(whole.target, made.predictions)
    assert unseen == pytest.approx(value(others.target, model.predict(others.matrix)), rel=0.15)


@pytest.mark.parametrize("most", [30, 150])
def test_an_average_has_no_more_rounds_than_an_answer_has_time_for(most):
    whole = make_part("binary", 1000)
    tries = tried(problem(), 1000)
    folds = [(lambda a=a: fold(whole, a, a + 200)) for a in range(0, 1000, 200)]
    made = finish(problem(), tries, folds, most=most)
    assert 1 <= sum(fit.rounds for fit in made.fits) <= most
    assert sum(fit.weight for fit in made.fits) == pytest.approx(1)


@pytest.mark.parametrize(
    ("found", "rounds", "step"),
    [
        ({"eta": 0.3}, 10, ETA),
        ({"eta": 0.2}, 100, 2 * 0.2 * 100 / 300),
        ({"eta": 0.2}, 200, 0.2),  # never larger than its own
        ({}, 100, 0.2),
    ],
)
def test_the_step_leaves_room_for_an_average(found, rounds, step):
    asked = entrant(found=found, rounds=rounds)
    assert step_of(asked, 300) == pytest.approx(step)
    assert {one.params["eta"] for one in candidates([asked], problem(), 1000, 300)} == {
        step_of(asked, 300)
    }


def fold(whole, a, b):
    return FoldParts(without(whole, a, b), Part(whole.matrix[a:b], whole.target[a:b]))


def without(whole, a, b):
    kept = np.r_[0:a, b : len(whole.target)]
    return Part(np.ascontiguousarray(whole.matrix[kept]), whole.target[kept])


def test_weights_are_those_of_the_least_loss():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=500)
    good, bad = truth + rng.normal(0, 0.5, 500), truth + rng.normal(0, 0.5, 500)
    useless = rng.normal(size=500)
    weights = greedy_weights("regression", truth, [good, bad, useless])
    assert weights.sum() == pytest.approx(1)
    assert weights[2] < 0.1
    assert min(weights[:2]) > 0.35
    mixed = round_loss("regression", truth, weights[0] * good + weights[1] * bad)
    assert mixed < min(round_loss("regression", truth, each) for each in (good, bad))


def test_what_is_taken_costs_no_more_than_there_is():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=500)
    margins = [truth + rng.normal(0, 0.5, 500) for _ in range(3)]
    costs = [70, 50, 40]
    taken = {
        most: greedy_weights("regression", truth, margins, costs=costs, most=most) > 0
        for most in (10, 100, 1000)
    }
    assert taken[10].sum() == 1
    assert sum(np.array(costs)[taken[100]]) <= 100
    assert taken[1000].all()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_margins_give_the_predictions_back(task):
    rng = np.random.default_rng(1)
    said = rng.uniform(0.01, 0.99, 50) if task != "multiclass" else rng.dirichlet(np.ones(3), 50)
    np.testing.assert_allclose(predictions_of(task, margins_of(task, said)), said, rtol=1e-9)
    assert np.isfinite(margins_of(task, np.round(said))).all()
