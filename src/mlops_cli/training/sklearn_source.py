"""Where an estimator of scikit-learn's kind comes from: a class of its own, by its public path."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import BaseEnsemble

from mlops_cli.cores import cores
from mlops_cli.errors import UsageError
from mlops_cli.training.base import Problem

WORKS = {
    "classification": "xgboost, sklearn:linear_model.LogisticRegression, "
    "sklearn:ensemble.RandomForestClassifier, sklearn:ensemble.HistGradientBoostingClassifier",
    "regression": "xgboost, sklearn:linear_model.Ridge, sklearn:ensemble.RandomForestRegressor, "
    "sklearn:ensemble.HistGradientBoostingRegressor",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What makes an estimator of parameters, of which it knows those in `known`.

    `name` is as in `train.estimator`; `path` is a class below `sklearn.`, empty for another's.
    """

    name: str
    path: str
    known: frozenset[str]
    make: Callable[[Mapping[str, Any]], Any]


def class_of(path: str, problem: Problem) -> Source:
    """A class of scikit-learn; raises `UsageError` where it has none of that path for the task."""
    cls = _class_of(path, problem)
    known = frozenset(inspect.signature(cls).parameters)

    def make(params: Mapping[str, Any]) -> Any:
        jobs = {"n_jobs": problem.threads or cores()}
        beside = "n_jobs" in known and issubclass(cls, BaseEnsemble)
        return cls(**params, **(jobs if beside else {}))

    return Source(f"sklearn:{path}", path, known, make)


def works(problem: Problem) -> str:
    """Estimators for the task that can be served."""
    return WORKS["regression" if problem.task == "regression" else "classification"]


def _class_of(path: str, problem: Problem) -> type[Any]:
    module, _, name = path.rpartition(".")
    full = f"sklearn.{module}"
    wanted = RegressorMixin if problem.task == "regression" else ClassifierMixin
    try:
        if any(part.startswith("_") for part in path.split(".")):
            raise ImportError(f"{path} is private")
        found: Any = getattr(importlib.import_module(full), name)
    except (ImportError, AttributeError) as e:
        raise UsageError(
            f"mlops.yaml: train.estimator names {full}.{name}, which scikit-learn "
            f"{sklearn.__version__} does not have",
            hint=f"these work: {works(problem)}",
        ) from e
    known = inspect.isclass(found) and found.__module__.partition(".")[0] == "sklearn"
    if not (known and issubclass(found, BaseEstimator) and issubclass(found, wanted)):
        kind = "regressor" if problem.task == "regression" else "classifier"
        raise UsageError(
            f"mlops.yaml: train.estimator names {full}.{name}, which is no {kind}",
            hint=f"these work: {works(problem)}",
        )
    if wanted is ClassifierMixin and not hasattr(found, "predict_proba"):
        raise UsageError(
            f"mlops.yaml: {full}.{name} gives no probabilities",
            hint=f"these work: {works(problem)}",
        )
    cls: type[Any] = found
    return cls
