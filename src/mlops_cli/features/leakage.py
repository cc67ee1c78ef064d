"""Columns that know the target: what one column alone predicts, and what adds up to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlops_cli.cores import cores

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

BINS = 200
FOLDS = 5
PRIOR_ROWS = 1.0  # how many rows of the overall mean each category is mixed with
MOST_CLASSES = 20
EXACT = 1e-6  # greatest residual, in standard deviations of the target


def predictive_power(
    table: pa.Table, target: str, task: Literal["binary", "multiclass", "regression"]
) -> dict[str, float]:
    """How well each other column of `table` predicts the column `target` by itself, from 0 to 1.

    Classification: the area under the ROC curve (binary), or the smallest of those of each class
    against the rest. Regression: the share of variance explained. A column predicts by the mean
    of the target in its category or its quantile bin, taken out of fold, so that an identifier
    predicts nothing; a number predicts by itself, too (rank or straight line). Rows in which the
    target is null are not looked at. Dates and times are left out.
    """
    table = table.filter(pc.is_valid(table[target]))
    outcomes = _outcomes(table[target], task)
    folds = np.random.default_rng(0).integers(0, FOLDS, table.num_rows)
    regression = task == "regression"
    names = [
        name
        for name in table.column_names
        if name != target and not pa.types.is_temporal(table.schema.field(name).type)
    ]

    def power(name: str) -> float:
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the end of float64
            return min(_power(table[name], y, folds, regression) for y in outcomes)

    with ThreadPoolExecutor(cores()) as pool:  # numpy lets go of the lock where it sorts
        return dict(zip(names, pool.map(power, names), strict=True))


def exact_combination(table: pa.Table, target: str, columns: Sequence[str]) -> dict[str, float]:
    """The numeric `columns` of which `target` is a linear combination, with their weights.

    Empty where the least-squares fit leaves a residual, or where complete rows are fewer than ten
    times the columns. Rows with a null are not looked at; a column that is null in most rows
    takes no part.
    """
    numeric = [n for n in columns if _is_number(table.schema.field(n).type)]
    cells = {n: _numbers(table[n]) for n in [*numeric, target]}
    half = table.num_rows / 2
    kept = [n for n in numeric if np.isfinite(cells[n]).sum() > half]
    if not kept or not _is_number(table.schema.field(target).type):
        return {}
    matrix = np.column_stack([cells[n] for n in [*kept, target]])
    matrix = matrix[np.isfinite(matrix).all(axis=1)]
    return _exact_weights(matrix, kept)


def rises(column: pa.ChunkedArray) -> bool:
    """Whether every number is greater than the one before it; nulls are not looked at."""
    if not _is_number(column.type):
        return False
    values = _numbers(column)
    present = values[np.isfinite(values)]
    return len(present) > 1 and bool((np.diff(present) > 0).all())


def _exact_weights(matrix: Floats, names: Sequence[str]) -> dict[str, float]:
    if len(matrix) < 10 * (len(names) + 1):
        return {}
    spread = matrix.std(axis=0)
    if spread[-1] == 0:
        return {}
    scaled = (matrix - matrix.mean(axis=0)) / np.where(spread == 0, 1, spread)
    weights, *_ = np.linalg.lstsq(scaled[:, :-1], scaled[:, -1], rcond=None)
    if np.abs(scaled[:, :-1] @ weights - scaled[:, -1]).max() > EXACT:
        return {}
    real: Mapping[str, float] = dict(zip(names, weights.tolist(), strict=True))
    return {name: weight for name, weight in real.items() if abs(weight) > 1e3 * EXACT}


def _outcomes(target: pa.ChunkedArray, task: str) -> list[Floats]:
    if task == "regression":
        return [_numbers(target)]
    codes, n = _codes_of_values(target)
    classes = [1] if n == 2 else range(min(n, MOST_CLASSES))
    return [(codes == k).astype(np.float64) for k in classes]


def _power(column: pa.ChunkedArray, y: Floats, folds: Codes, regression: bool) -> float:
    number = _numbers(column) if _is_number(column.type) else None
    codes, n = _codes_of_values(column) if number is None else _bins(number)
    encoded = _out_of_fold_means(codes, n, y, folds)
    if regression:
        return max(_explained(encoded, y), _straight_line(number, y))
    return max(_auc(encoded, y), _rank_auc(number, y))


def _out_of_fold_means(codes: Codes, n: int, y: Floats, folds: Codes) -> Floats:
    cell = codes * FOLDS + folds
    sums = np.bincount(cell, weights=y, minlength=n * FOLDS).reshape(n, FOLDS)
    counts = np.bincount(cell, minlength=n * FOLDS).reshape(n, FOLDS)
    others = sums.sum(axis=1, keepdims=True) - sums + PRIOR_ROWS * y.mean()
    means = others / (counts.sum(axis=1, keepdims=True) - counts + PRIOR_ROWS)
    return np.asarray(means[codes, folds])


def _bins(number: Floats) -> tuple[Codes, int]:
    present = number[np.isfinite(number)]
    values = np.unique(present)
    if len(values) > BINS:
        values = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)))
    codes = np.searchsorted(values, number, side="left").astype(np.int64)
    codes[~np.isfinite(number)] = len(values) + 1
    return codes, len(values) + 2


def _codes_of_values(column: pa.ChunkedArray) -> tuple[Codes, int]:
    encoded = column.combine_chunks().dictionary_encode()
    n = len(encoded.dictionary)
    codes = encoded.indices.cast(pa.int64()).fill_null(n).to_numpy(zero_copy_only=False)
    order = np.append(np.argsort(pc.array_sort_indices(encoded.dictionary).to_numpy()), n)
    return order[codes], n + bool(encoded.null_count)


def _auc(score: Floats, y: Floats) -> float:
    """The Mann-Whitney statistic over all pairs, ties counted half."""
    positives = y.sum()
    negatives = len(y) - positives
    if not positives or not negatives:
        return 0.0
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    wins = ranks[y == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def _rank_auc(number: Floats | None, y: Floats) -> float:
    if number is None or (present := ~np.isnan(number)).mean() < 0.9:
        return 0.0
    auc = _auc(number[present], y[present])
    return max(auc, 1 - auc)


def _explained(prediction: Floats, y: Floats) -> float:
    total = ((y - y.mean()) ** 2).sum()
    return max(0.0, float(1 - ((y - prediction) ** 2).sum() / total)) if total else 0.0


def _straight_line(number: Floats | None, y: Floats) -> float:
    if number is None or (present := np.isfinite(number)).mean() < 0.9:
        return 0.0
    x, seen = number[present], y[present]
    if x.std() == 0 or seen.std() == 0:
        return 0.0
    return float(np.corrcoef(x, seen)[0, 1] ** 2)


def _numbers(column: pa.ChunkedArray) -> Floats:
    plain = (
        column.cast(pa.float64(), safe=False)  # above 2**53 rounded, as it is everywhere else
        if not pa.types.is_boolean(column.type)
        else column.cast(pa.int8()).cast(pa.float64())
    )
    return np.asarray(plain.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )
