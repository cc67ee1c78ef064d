"""What the estimators share whose trees are served as ONNX, without their library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from mlops_cli.errors import UsageError
from mlops_cli.training.base import Estimator, Params, Part, Problem
from mlops_cli.training.onnx import difference
from mlops_cli.training.parameters import check_names

_ROWS = 400  # that both forms of a small model predict, about
_ROUNDS = 5


def check_served(
    name: str,
    estimator: Estimator,
    problem: Problem,
    part: Part,
    tries: Sequence[Params],
    *,
    known: frozenset[str],
) -> None:
    """See `Estimator.check`: parameters are `known`, and a small model's ONNX predicts the same."""
    check_names(name, [*problem.fixed, *(key for params in tries for key in params)], known)
    step = max(1, len(part.target) // _ROWS)
    few = Part(np.ascontiguousarray(part.matrix[::step]), part.target[::step])
    model = estimator.fit(few, {}, _ROUNDS)
    worst = difference(model.content(), few.matrix, model.predict(few.matrix), problem.task)
    if worst is not None:
        raise UsageError(
            f"mlops.yaml: train.estimator {name} cannot be served: its ONNX form does not "
            f"predict the same: {worst}",
            hint="use xgboost",
        )


def refuse_update(name: str) -> NoReturn:
    """See `Estimator.update`: what is served is ONNX, which cannot be fitted any further."""
    raise UsageError(
        f"mlops.yaml: train.update is set, and {name} cannot go on from what is served",
        hint="remove train.update; estimators that can: xgboost",
    )


def shares(problem: Problem, use: ArrayLike) -> dict[str, float]:
    """`use` of each feature as its share of the sum, by name; zeros where nothing is used."""
    found: Any = np.asarray(use, dtype=np.float64)
    total = float(found.sum())
    names = [feature.name for feature in problem.features]
    return dict(zip(names, (found / total if total else found).tolist(), strict=True))
