"""Explain a new model on rows of the hold-out, as many as cost little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.reader import Bundle
from mlops_cli.cores import cores
from mlops_cli.evaluation.explained import (
    Contributions,
    Explanations,
    Stability,
    effects_of,
    examples_of,
    pairs_of,
)
from mlops_cli.reports.evaluation.stability import stability_of
from mlops_cli.serving.contributions import Explainer
from mlops_cli.serving.explain import open_explainer
from mlops_cli.serving.models import Model, load_model
from mlops_cli.serving.shapley import ASKED, WIDEST
from mlops_cli.serving.ubjson import read_ubjson
from mlops_cli.serving.xgboost_model import XGBoostModel
from mlops_cli.tuning.base import Member

ROWS = 1000  # that are explained at the most
FEWEST = 100
_PAIRED = 20  # rows of which interactions are told
_BUDGET = 8.0e8  # steps of TreeSHAP, which does some 4 * 10^8 a second
_PAIR_BUDGET = 1.0e8
_ASKED_ROWS = 60_000  # predictions of a model that is only asked
Matrix = NDArray[np.float32]


def explanations_of(
    bundle: Bundle,
    matrix: Matrix,
    members: Sequence[Member] = (),
    *,
    asked: int | Literal["auto"] = "auto",
) -> Explanations | None:
    """Of the hold-out's `matrix` (n, f), evenly spaced rows of it; None of a model too wide.

    `members` are the fits whose average the model is. `asked` is how many rows; `auto`: as many as
    cost little, at most `ROWS`.
    """
    if len(bundle.manifest.features) > WIDEST and bundle.manifest.model != "xgboost":
        return None
    model = load_model(bundle, cores())
    explainer = open_explainer(bundle, model)
    cost = _steps_of_a_row(bundle)
    most = _affordable(bundle, cost) if asked == "auto" else asked
    rows = _spaced(matrix, most)
    found, space = _contributions(bundle, explainer, rows)
    pairs = _interactions(model, rows, cost)
    golden = np.array([row.features for row in bundle.golden()], np.float32)
    examples: list[Any] = []
    if len(golden) and found.parts.shape[2] == 1:
        told = golden[
            _places(model.predict(golden))
        ]  # explaining a row costs more than many answers
        examples = examples_of(_contributions(bundle, explainer, told)[0])
    return Explanations(
        rows=len(rows),
        space=space,
        features=effects_of(found),
        examples=examples,
        pair_rows=0 if pairs is None else len(pairs),
        pairs=() if pairs is None else pairs_of(bundle.manifest.features, pairs),
        stability=_stability(bundle, members, rows),
    )


def _places(said: NDArray[np.float64]) -> list[int]:
    """Where the lowest, the middle and the highest of the answers are, shape (n,)."""
    order = np.argsort(said, kind="stable").tolist()
    return list(dict.fromkeys(order[at] for at in (0, len(order) // 2, -1)))


def _affordable(bundle: Bundle, cost: float) -> int:
    return int(min(ROWS, max(FEWEST, _BUDGET / cost))) if cost else _asked(bundle)


def _stability(bundle: Bundle, members: Sequence[Member], rows: Matrix) -> Stability | None:
    if any(m.estimator != "xgboost" for m in members) or bundle.manifest.model != "xgboost":
        return None
    names = [f.name for f in bundle.manifest.features]
    rounds = [m.rounds or 1 for m in members]
    return stability_of(bundle.content(bundle.model_file.name), names, rounds, rows)


def _spaced(matrix: Matrix, most: int) -> Matrix:
    places = np.unique(np.linspace(0, len(matrix) - 1, min(most, len(matrix))).astype(np.int64))
    return matrix[places]


def _contributions(bundle: Bundle, explainer: Explainer, rows: Matrix) -> tuple[Contributions, str]:
    told = explainer.explain(rows)
    spaces = {e.space for e in told}
    kept = [i for i, e in enumerate(told) if e.space == min(spaces)]  # a few may have no margin
    parts, bases = np.stack([told[i].parts for i in kept]), np.stack([told[i].base for i in kept])
    return Contributions(bundle.manifest.features, rows[kept], parts, bases), min(spaces)


def _steps_of_a_row(bundle: Bundle) -> float:
    """About how many steps TreeSHAP takes a row: leaves x depth^2 of all trees; 0 of no trees."""
    if bundle.manifest.model != "xgboost":
        return 0.0
    booster = read_ubjson(bundle.content(bundle.model_file.name))["learner"]["gradient_booster"]
    model = booster.get("gbtree", booster).get("model", {})
    leaves = [(len(tree["left_children"]) + 1) / 2 for tree in model.get("trees", ())]
    return sum(n * (math.log2(n + 1) + 1) ** 2 for n in leaves)


def _asked(bundle: Bundle) -> int:
    """Rows of a model that is only asked, up to so many times a row."""
    a_row: int = min(ASKED, 2 ** min(11, len(bundle.manifest.features)))
    return min(ROWS, max(FEWEST // 4, _ASKED_ROWS // a_row))


def _interactions(model: Model, rows: Matrix, cost: float) -> NDArray[np.float64] | None:
    """Exact interactions (n, f, f) of one number a row; None where twenty rows cost too much."""
    if not isinstance(model, XGBoostModel) or not cost:
        return None
    most = int(_PAIR_BUDGET / (cost * 2 * rows.shape[1]))
    return model.interactions(_spaced(rows, most)) if most >= _PAIRED else None
