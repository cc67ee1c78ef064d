"""An estimator of scikit-learn's kind that a function of the project makes: `module:function`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor

from mlops_cli._modules import function_of, place_of
from mlops_cli.errors import UsageError
from mlops_cli.training.base import Problem
from mlops_cli.training.sklearn import Sklearn
from mlops_cli.training.sklearn_source import Source, works

WEIGHTS = True  # as far as what the function makes can, which is seen when it is fitted


def open_estimator(path: str, problem: Problem) -> Sklearn:
    """See `training.open_estimator`; `path` is `module:function` of the folder `problem.root`.

    The function's parameters are those that may be set and searched; one named `random_state` gets
    the seed. What it returns is fitted and served as scikit-learn's own estimators are.
    """
    module, _, name = path.partition(":")
    root = problem.root or Path()
    with function_of(root, module, name, key="train.estimator") as function:
        known = _parameters(path, function, problem)

        def make(params: Mapping[str, Any]) -> Any:
            return _settled(_made(path, function, params, problem), problem)

        # Once while its folder can be imported from, so that what it imports late is there, too.
        _made(path, function, _first(known, problem), problem)
    return Sklearn(Source(path, "", frozenset(known), make), problem)


def _first(known: Mapping[str, inspect.Parameter], problem: Problem) -> dict[str, Any]:
    seed = {"random_state": problem.seed} if "random_state" in known else {}
    return {**{k: v for k, v in problem.fixed.items() if k in known}, **seed}


def _parameters(
    path: str, function: Callable[..., Any], problem: Problem
) -> dict[str, inspect.Parameter]:
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError) as e:
        raise UsageError(f"mlops.yaml: train.estimator {path} is no function") from e
    for parameter in found.values():
        by_name = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        given = parameter.name in problem.fixed or parameter.name == "random_state"
        if not by_name or (parameter.default is parameter.empty and not given):
            raise UsageError(
                f"mlops.yaml: train.estimator {path}: its parameter {parameter.name!r} has no "
                "default" + ("" if by_name else " and no name to set it by"),
                hint=f"def {function.__name__}(alpha=1.0, random_state=0): ... has one for each",
            )
    return dict(found)


def _made(
    path: str, function: Callable[..., Any], params: Mapping[str, Any], problem: Problem
) -> Any:
    try:
        found = function(**params)
    except Exception as e:  # whatever a person's function does
        said = place_of(problem.root or Path(), e)
        raise UsageError(
            f"mlops.yaml: train.estimator {path} raised {said}",
            hint="see train.params and tune.space, which are its parameters",
        ) from e
    what = f"mlops.yaml: train.estimator {path} gives {_kind(found)}"
    if isinstance(found, type) or not isinstance(found, BaseEstimator):
        raise UsageError(
            f"{what}, and not an estimator of scikit-learn", hint="return one that is not fitted"
        )
    regression = problem.task == "regression"
    if not (is_regressor(found) if regression else is_classifier(found)):
        kind = "regressor" if regression else "classifier"
        raise UsageError(f"{what}, which is no {kind}", hint=f"these work: {works(problem)}")
    if not regression and not hasattr(found, "predict_proba"):
        raise UsageError(
            f"{what}, which gives no probabilities", hint=f"these work: {works(problem)}"
        )
    return found


def _settled(model: Any, problem: Problem) -> Any:
    """With the seed where it has none, and one thread: sums of several are not the same twice."""
    settings: dict[str, Any] = {}
    for name, value in model.get_params(deep=True).items():
        last = name.rpartition("__")[2]
        if last == "random_state" and value is None:
            settings[name] = problem.seed
        elif last == "n_jobs" and value is not None:
            settings[name] = 1
    return model.set_params(**settings)


def _kind(found: Any) -> str:
    if found is None:
        return "None"
    return f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
