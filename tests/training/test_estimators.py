"""Every estimator keeps the port's promises: refusals, rounds, one answer, the same bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_cli.bundle.manifest import Feature
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.metrics import METRICS
from mlops_cli.testing.estimator import EstimatorConformance, opened
from mlops_cli.testing.estimator import make_part as part
from mlops_cli.training import open_estimator
from mlops_cli.training.base import PATIENCE, Part, Problem

SKLEARN = {
    "binary": [
        "linear_model.LogisticRegression",
        "ensemble.RandomForestClassifier",
        "ensemble.HistGradientBoostingClassifier",
        "ensemble.GradientBoostingClassifier",
        "naive_bayes.GaussianNB",
    ],
    "multiclass": [
        "linear_model.LogisticRegression",
        "ensemble.RandomForestClassifier",
        "ensemble.HistGradientBoostingClassifier",
    ],
    "regression": [
        "linear_model.Ridge",
        "linear_model.ElasticNet",
        "ensemble.RandomForestRegressor",
        "ensemble.HistGradientBoostingRegressor",
    ],
}
SERVED = [("xgboost", task) for task in SKLEARN] + [
    (f"sklearn:{name}", task) for task, names in SKLEARN.items() for name in names
]


class TestEstimators(EstimatorConformance):
    """The port's contract."""

    @pytest.fixture(params=SERVED, ids=":".join)
    def named(self, request):
        return request.param


@pytest.mark.parametrize(
    ("name", "task"),
    [s for s in SERVED if "GaussianNB" not in s[0] and "HistGradient" not in s[0]],
)
def test_what_counts_most_is_the_most_important(name, task):
    shares = opened(name, task).fit(part(task), {}, 5).importance()
    assert shares["x"] == max(shares.values())
    assert shares["empty"] == 0


def noisy(n, seed):
    """A number that tells, and a category of 300 values that says nothing; few are positive."""
    rng = np.random.default_rng(seed)
    x, kind = rng.normal(100, 20, n), rng.integers(0, 300, n)
    target = rng.random(n) < 1 / (1 + np.exp(5.5 - (x - 100) / 14))
    return Part(np.column_stack([x, kind]).astype(np.float32), target.astype(np.float64))


def test_rare_categories_do_not_drown_a_number():
    features = (Feature("x", "numeric"), Feature("kind", "category", tuple(map(str, range(300)))))
    problem = Problem("binary", features, 2, "roc_auc", 0, {}, threads=1)
    fitted = open_estimator("sklearn:linear_model.LogisticRegression", problem).fit(
        noisy(4000, seed=0), {}, None
    )
    new = noisy(20_000, seed=1)
    alone = roc_auc_score(new.target, new.matrix[:, 0])
    assert roc_auc_score(new.target, fitted.predict(new.matrix)) > alone - 0.05


def test_a_coefficient_counts_by_what_its_column_moves():
    rng = np.random.default_rng(0)
    n = 3000
    flag, kind = rng.random(n) < 0.03, rng.random(n) < 0.03
    matrix = np.column_stack([flag, kind]).astype(np.float32)
    features = (Feature("flag", "numeric"), Feature("kind", "category", ("a", "b")))
    problem = Problem("regression", features, 0, "rmse", 0, {"alpha": 1e-3}, threads=1)
    target = flag + kind + rng.normal(0, 0.1, n)
    ridge = open_estimator("sklearn:linear_model.Ridge", problem)
    shares = ridge.fit(Part(matrix, target.astype(np.float64)), {}, None).importance()
    assert shares["flag"] == pytest.approx(shares["kind"], rel=0.1)  # in whichever form it came


def test_a_category_that_was_never_seen_counts_as_missing():
    for name in ("xgboost", "sklearn:linear_model.LogisticRegression"):
        fitted = opened(name, "binary").fit(part("binary"), {}, 5)
        row = np.array([[1000, np.nan, 3, np.nan]], dtype=np.float32)
        assert 0 < fitted.predict(row)[0] < 1


def test_preparation_is_fitted_on_the_rows_that_are_fitted_on():
    few, shifted = part("regression"), part("regression", seed=1)
    far = Part(shifted.matrix + np.float32(1e6), shifted.target)
    trials = opened("sklearn:linear_model.Ridge", "regression").trials(few, far)
    alone = opened("sklearn:linear_model.Ridge", "regression").fit(few, {}, None)
    tried = trials.start({}).advance(1, go_on)
    np.testing.assert_array_equal(tried.predict(), alone.predict(far.matrix))


def go_on():
    """The search was not given up."""


@pytest.mark.parametrize(
    ("task", "metric"), [(task, metric) for task, known in METRICS.items() for metric in known]
)
def test_rounds_are_chosen_by_loss_and_judged_by_the_metric(task, metric):
    train, validation = part(task), part(task, seed=1)
    trials = opened("xgboost", task, metric).trials(train, validation)
    params = {"eta": 0.3, "subsample": 0.9, "colsample_bytree": 0.9}  # drawn alike in fit and trial
    tried = trials.start(params).advance(15, go_on)
    value = METRICS[task][metric].value(validation.target, tried.predict())
    assert value == pytest.approx(tried.score, rel=1e-5)
    fitted = opened("xgboost", task, metric).fit(train, params, tried.rounds)
    np.testing.assert_allclose(fitted.predict(validation.matrix), tried.predict(), rtol=1e-4)
    again = opened("xgboost", task, "mae" if task == "regression" else "accuracy")
    other = again.trials(train, validation).start(params).advance(15, go_on)
    assert other.rounds == tried.rounds


def test_a_fit_that_ranks_well_at_once_goes_on_to_good_probabilities():
    """By AUC it would stop after its first rounds, with a log loss of 0.6."""
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(4000, 3)).astype(np.float32)
    target = (matrix[:, 0] > 0).astype(np.float64)
    train, validation = Part(matrix[:2000], target[:2000]), Part(matrix[2000:], target[2000:])
    trials = opened("xgboost", "binary", "roc_auc").trials(train, validation)
    tried = trials.start({"eta": 0.05}).advance(200, go_on)
    assert tried.rounds > 100
    assert METRICS["binary"]["log_loss"].value(target[2000:], tried.predict()) < 0.02


def test_a_trial_that_gains_nothing_ends():
    trials = opened("xgboost", "binary").trials(part("binary"), part("binary", seed=1))
    begun = trials.start({})
    told = begun.advance(7, go_on)
    assert (told.ran, told.ended) == (7, False)
    spent = trials.start({"eta": 1.0, "max_depth": 8}).advance(300, go_on)
    assert spent.ended
    assert PATIENCE <= spent.ran - spent.rounds < PATIENCE + 5


def test_a_trial_in_steps_is_the_trial_in_one_go():
    trials = opened("xgboost", "binary").trials(part("binary"), part("binary", seed=1))
    drawn = {"eta": 0.02, "subsample": 0.5, "colsample_bytree": 0.5}  # by XGBoost's random stream
    whole = trials.start(drawn).advance(40, go_on)
    stepwise = trials.start(drawn)
    stepwise.advance(10, go_on)
    trials.start(drawn | {"eta": 0.3}).advance(7, go_on)
    again = stepwise.advance(40, go_on)
    assert (again.score, again.rounds, again.ran) == (whole.score, whole.rounds, whole.ran)


def test_a_search_that_is_given_up_ends_a_fit_within_a_round():
    trials = opened("xgboost", "binary").trials(part("binary"), part("binary", seed=1))
    rounds = iter(range(3))

    def given_up():
        if next(rounds, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trials.start({}).advance(10**9, given_up)


def test_trials_share_nothing():
    def once(trials, params):
        return trials.start(params).advance(10, go_on).score

    parts = part("binary"), part("binary", seed=1)
    shared = opened("xgboost", "binary").trials(*parts)
    a = [once(shared, {"max_depth": d, "max_bin": 256}) for d in (3, 8, 3)]
    alone = once(opened("xgboost", "binary").trials(*parts), {"max_depth": 8, "max_bin": 256})
    assert a[0] == a[2]
    assert a[1] == alone


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("xgboost", {"max_dept": 3}, "max_depth"),
        ("xgboost", {"n_estimators": 3}, r"tune\.rounds"),
        ("xgboost", {"objective": "rank:ndcg"}, "known"),
        ("sklearn:linear_model.LogisticRegression", {"CC": 1}, "known: C,"),
        ("sklearn:ensemble.RandomForestClassifier", {"random_state": 1}, "known"),
    ],
)
def test_a_parameter_that_is_not_to_be_set_is_refused(name, params, said):
    for estimator, tries in (
        (opened(name, "binary", **params), [{}]),
        (opened(name, "binary"), [params]),
    ):
        with pytest.raises(UsageError, match=next(iter(params))) as e:
            estimator.check(part("binary"), tries)
        assert re.search(said, e.value.hint or "")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("xgboost", {"max_depth": -3}),
        ("xgboost", {"eta": "fast"}),
        ("sklearn:linear_model.LogisticRegression", {"C": -1.0}),
    ],
)
def test_a_value_that_the_library_refuses_is_refused(name, params):
    with pytest.raises(UsageError, match="refuses"):
        opened(name, "binary", **params).check(part("binary"), [{}])


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        ("os.system", "binary", "does not have"),
        ("nosuch.Thing", "binary", "does not have"),
        ("ensemble._forest.RandomForestClassifier", "binary", "does not have"),
        ("linear_model.LogisticRegresion", "binary", "does not have"),
        ("preprocessing.StandardScaler", "binary", "no classifier"),
        ("linear_model.Ridge", "binary", "no classifier"),
        ("linear_model.LogisticRegression", "regression", "no regressor"),
        ("utils.check_array", "binary", "no classifier"),
        ("linear_model.RidgeClassifier", "binary", "no probabilities"),
    ],
)
def test_what_is_no_estimator_for_the_task_is_refused(name, task, said):
    with pytest.raises(UsageError, match=said) as e:
        opened(f"sklearn:{name}", task)
    assert "xgboost" in (e.value.hint or "")


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("svm.SVR", "regression"),
        ("ensemble.VotingClassifier", "binary"),
        ("neighbors.KNeighborsClassifier", "binary"),
        ("gaussian_process.GaussianProcessRegressor", "regression"),
    ],
)
def test_what_onnx_cannot_say_the_same_way_is_refused_before_any_trial(name, task):
    with pytest.raises(UsageError, match="cannot be served") as e:
        opened(f"sklearn:{name}", task).check(part(task), [{}])
    assert e.value.exit_code == 2
    assert "xgboost" in (e.value.hint or "")


def test_ends_of_a_space_that_do_not_go_together_do_not_refuse_the_others():
    estimator = opened("sklearn:linear_model.LogisticRegression", "binary")
    mixed = [{"solver": "lbfgs", "l1_ratio": 0.0}, {"solver": "lbfgs", "C": -1.0}]
    estimator.check(part("binary"), mixed)
    with pytest.raises(UsageError, match="refuses"):
        estimator.check(part("binary"), mixed[1:])


def test_threads_that_wait_leave_the_cores_to_others():
    code = (
        "from mlops_cli.training import open_estimator;"
        "from mlops_cli.training.base import Problem;"
        "open_estimator('xgboost', Problem('binary', (), 2, 'roc_auc', 0, {}))"
    )
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    for asked, policy in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**env, **asked, "OMP_DISPLAY_ENV": "TRUE"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
