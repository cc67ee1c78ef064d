"""Fitting a model: estimators behind one port, golden rows, plots, provenance."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from mlops_cli._adapters import load_adapter, load_named
from mlops_cli.errors import UsageError

if TYPE_CHECKING:
    from mlops_cli.training.base import Estimator, Problem

ESTIMATORS = {
    "xgboost": "mlops_cli.training.xgboost",
    "lightgbm": "mlops_cli.training.lightgbm",
    "sklearn": "mlops_cli.training.sklearn",
}


def open_estimator(name: str, problem: Problem) -> Estimator:
    """The estimator that the configuration names: `xgboost`, `lightgbm`, or `sklearn:module.Class`.

    Another package's is `NAME` or `NAME:REST`, where it is given `REST`. Raises `UsageError` for a
    name or a class that does not exist, is no estimator for the task, or cannot keep to a direction
    that the problem asks for.
    """
    # Threads that wait must sleep, not spin: on two busy cores a fit took 24 s instead of 2. It is
    # read when OpenMP is loaded, so it is set before the first import; a user's own choice wins.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    library, _, path = name.partition(":")
    module = load_named("estimator", library, ESTIMATORS)
    if problem.monotone and not getattr(module, "MONOTONE", False):
        raise UsageError(
            f"mlops.yaml: train.monotone is set, and {name} cannot keep to a direction",
            hint="remove it; estimators that can: xgboost, lightgbm",
        )
    return cast("Estimator", module.open_estimator(path, problem))


def preload() -> None:
    """Load the usual estimator's library, in a process that others are forked from."""
    load_adapter(ESTIMATORS["xgboost"])
