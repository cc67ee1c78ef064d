"""Fitting a model: estimators behind one port, golden rows, plots, provenance."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import is_named, load_adapter, load_named
from mlops_cli._modules import module_files
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.training.base import Estimator, Problem

ESTIMATORS = {
    "xgboost": "mlops_cli.training.xgboost",
    "lightgbm": "mlops_cli.training.lightgbm",
    "catboost": "mlops_cli.training.catboost",
    "sklearn": "mlops_cli.training.sklearn",
}
_AVERAGED = ("xgboost", "lightgbm", "catboost")  # each named as its library is
_OF_THE_PROJECT = "mlops_cli.training.project_estimator"


def open_estimator(name: str, problem: Problem) -> Estimator:
    """The estimator that the configuration names: `xgboost`, `lightgbm`, or `sklearn:module.Class`.

    `module:function` is one that the project's own code makes, where there is a file of that module
    or no package of that name. Another package's is `NAME` or `NAME:REST`, where it is given
    `REST`. Raises `UsageError` for a
    name or a class that does not exist, is no estimator for the task, or cannot keep to a direction
    or weigh rows where the problem asks for it.
    """
    # Threads that wait must sleep, not spin: on two busy cores a fit took 24 s instead of 2. It is
    # read when OpenMP is loaded, so it is set before the first import; a user's own choice wins.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    library, _, path = name.partition(":")
    if path and library not in ESTIMATORS and _is_of_the_project(library, problem):
        module, path = load_adapter(_OF_THE_PROJECT), name
    else:
        module = load_named("estimator", library, ESTIMATORS)
    if problem.weighted and not getattr(module, "WEIGHTS", False):
        raise UsageError(
            f"mlops.yaml: train.weights and train.mitigate weigh rows, and {name} cannot",
            hint="remove them; these can: xgboost, lightgbm, catboost, most of scikit-learn's",
        )
    if problem.monotone and not getattr(module, "MONOTONE", False):
        raise UsageError(
            f"mlops.yaml: train.monotone is set, and {name} cannot keep to a direction",
            hint="remove it; estimators that can: xgboost, lightgbm, catboost",
        )
    return cast("Estimator", module.open_estimator(path, problem))


def standing_ready() -> tuple[str, ...]:
    """The estimators of `auto`: those whose models can be averaged, and whose library is here."""
    return tuple(name for name in _AVERAGED if find_spec(name) is not None)


def _is_of_the_project(module: str, problem: Problem) -> bool:
    if problem.root and module_files(problem.root, module):
        return True
    return not is_named("estimator", module)


def preload() -> None:
    """Load the usual estimator's library, in a process that others are forked from."""
    load_adapter(ESTIMATORS["xgboost"])
