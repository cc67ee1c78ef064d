"""Default spaces, and points at their ends."""

from __future__ import annotations

import inspect

import pytest
from sklearn.utils import all_estimators

from mlops_cli.config.sections.tune import Choice, FloatRange, IntRange
from mlops_cli.errors import UsageError
from mlops_cli.training.xgboost import PARAMETERS
from mlops_cli.tuning.spaces import SPACES, ends, space_of


@pytest.mark.parametrize("name", sorted(SPACES.keys() - {"lightgbm", "catboost"}))
def test_default_spaces_name_parameters_that_exist(name):
    known = PARAMETERS if name == "xgboost" else inspect.signature(CLASSES[name]).parameters
    assert set(SPACES[name]) <= set(known)


CLASSES = dict(all_estimators())


def test_a_fixed_parameter_leaves_the_default_space_but_not_an_asked_one():
    assert "eta" not in space_of("xgboost", None, ["eta"])
    assert "alpha" in space_of("sklearn:linear_model.Ridge", None, ["tol"])
    with pytest.raises(UsageError, match="eta"):
        space_of("xgboost", {"eta": FloatRange(float_=(0.1, 0.2))}, ["eta"])


def test_an_estimator_without_a_space_of_its_own_is_tried_as_it_is():
    assert space_of("sklearn:naive_bayes.GaussianNB", None, []) == {}
    assert ends({}) == [{}]


def test_ends_hold_both_bounds_and_every_choice():
    space = {
        "a": IntRange(int_=(1, 9)),
        "b": FloatRange(float_=(0.0, 1.0)),
        "c": Choice(choice=("x", "y", "z")),
    }
    found = ends(space)
    assert {p["a"] for p in found} == {1, 9}
    assert {p["b"] for p in found} == {0.0, 1.0}
    assert {p["c"] for p in found} == {"x", "y", "z"}
