"""Which parameters do well together: `training/portfolio.py` is chosen this way, by hand.

    python -m benchmarks.portfolio --rows 4000 --splits 0,1

Ten parameters are drawn at random. On each choosing table each is fitted on five folds, by the
product's own estimator and rounds; then one is added at a time, the one with which the greedy
average of what folds say of unseen rows loses least, as a share of what usual parameters alone
lose. The order of the answer is the order of the portfolio. About an hour on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.tables import CHOOSING, Table, load
from mlops_cli.bundle.manifest import Feature
from mlops_cli.training import open_estimator
from mlops_cli.training.base import Params, Part, Problem
from mlops_cli.training.finish import ETA, FOLDS
from mlops_cli.training.greedy import greedy_weights, margins_of
from mlops_cli.training.round_loss import round_loss
from mlops_cli.training.xgboost import XGBoost

DRAWN = 10
USUAL: Params = {"max_depth": 6, "min_child_weight": 4.0, "subsample": 0.75, "eta": ETA}
_PATIENCE, _ROUNDS = 40, 2000


@dataclass(frozen=True, slots=True)
class Cell:
    """One table and split: the target, and what each of the tries says of unseen rows."""

    table: Table
    target: NDArray[np.float64]
    margins: Sequence[NDArray[np.float64]]


def main() -> None:
    """Print the tries in the order in which they are added, and what is lost with each more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--splits", default="0,1")
    parser.add_argument("--tables", default=",".join(table.name for table in CHOOSING))
    asked = parser.parse_args()
    tries = [USUAL, *drawn()]
    cells = []
    for split in map(int, asked.splits.split(",")):
        for table in CHOOSING:
            if table.name in asked.tables.split(","):
                cells.append(_cell(table, split, asked.rows, tries))
                print(table.name, split, flush=True)
    chosen: list[int] = []
    while len(chosen) < DRAWN:
        left = [i for i in range(1, len(tries)) if i not in chosen]
        losses = {i: _loss(cells, [*chosen, i]) for i in left}
        chosen.append(min(losses, key=lambda i: losses[i]))
        print(f"{losses[chosen[-1]]:.4f}", tries[chosen[-1]], flush=True)


def drawn() -> list[Params]:
    """Ten parameters at random."""
    rng = np.random.default_rng(7)
    return [
        {
            "max_depth": int(rng.choice([2, 3, 4, 5, 6, 7, 8, 10])),
            "min_child_weight": float(np.exp(rng.uniform(0, np.log(20)))),
            "subsample": float(rng.uniform(0.5, 1)),
            "colsample_bytree": float(rng.uniform(0.3, 1)),
            "lambda": float(np.exp(rng.uniform(0, np.log(20)))),
            "eta": ETA,
        }
        for _ in range(DRAWN)
    ]


def _cell(table: Table, split: int, rows: int, tries: Sequence[Params]) -> Cell:
    frame = load(table)
    frame = frame.sample(min(rows, len(frame)), random_state=split)
    y = frame.pop(table.target)
    classes = 0 if table.task == "regression" else y.nunique()
    codes = y.astype(float) if not classes else y.astype("category").cat.codes
    target = codes.to_numpy(dtype=np.float64)
    matrix = np.column_stack([_numbers(frame[name]) for name in frame])
    features = tuple(Feature(name, "numeric") for name in frame)
    problem = Problem(table.task, features, classes, _METRICS[table.task], split, {}, threads=1)
    estimator = open_estimator("xgboost", problem)
    assert isinstance(estimator, XGBoost)
    order = np.argsort(target, kind="stable") if classes else np.arange(len(target))
    fold = np.empty(len(target), dtype=np.int64)
    fold[order] = np.arange(len(target)) % FOLDS
    said: list[list[NDArray[np.float64]]] = [[] for _ in tries]
    for k in range(FOLDS):
        parts = [Part(matrix[at].copy(), target[at]) for at in (fold != k, fold == k)]
        trials = estimator.patient_trials(parts[0], parts[1], _PATIENCE)
        for each, params in zip(said, tries, strict=True):
            each.append(trials.start(params).advance(_ROUNDS, lambda: None).predict())
    unseen = np.concatenate([np.flatnonzero(fold == k) for k in range(FOLDS)])
    margins = [margins_of(table.task, np.concatenate(each)) for each in said]
    return Cell(table, target[unseen], margins)


_METRICS = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}


def _numbers(column: pd.Series) -> NDArray[np.float32]:
    if not pd.api.types.is_numeric_dtype(column):
        column = column.astype("category").cat.codes.replace(-1, np.nan)
    values = column.to_numpy(dtype=np.float32, na_value=np.nan, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values


def _loss(cells: Sequence[Cell], chosen: Sequence[int]) -> float:
    found = []
    for cell in cells:
        margins = [cell.margins[i] for i in (0, *chosen)]
        weights = greedy_weights(cell.table.task, cell.target, margins)
        mean = np.sum([w * m for w, m in zip(weights, margins, strict=True)], axis=0)
        losses = [round_loss(cell.table.task, cell.target, m) for m in (mean, margins[0])]
        found.append(losses[0] / losses[1])
    return float(np.mean(found))


if __name__ == "__main__":
    main()
