"""What a metric will be once the labels come, where only the chance of each label is known.

In every function `chances` has shape (n, k), the true probability of each class of each row, and
`predictions` the model's own, as in `training.base`. Each gives the expected value and its
derivative by every chance, shape (n, k), from which the spread of the metric follows. A ratio of
sums is expected to be the ratio of the expected sums, which differs from it by 1/n.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import THRESHOLD, Task
from mlops_cli.serving.predictions import class_indices

Numbers = NDArray[np.float64]
Expected = tuple[float, Numbers]
Expectation = Callable[..., Expected]
BY_THRESHOLD = ("accuracy", "f1")  # of labels: these take the threshold of two classes, too


def accuracy(chances: Numbers, predictions: Numbers, threshold: float = THRESHOLD) -> Expected:
    """The mean chance of the label that was given."""
    slopes = np.zeros_like(chances)
    slopes[np.arange(len(chances)), class_indices(predictions, threshold)] = 1 / len(chances)
    return _linear(chances, slopes)


def brier(chances: Numbers, predictions: Numbers) -> Expected:
    """The mean squared distance of the probability from the label, of two classes."""
    slopes = np.column_stack([predictions**2, (1 - predictions) ** 2]) / len(chances)
    return _linear(chances, slopes)


def log_loss(chances: Numbers, predictions: Numbers) -> Expected:
    """The cross entropy of the true chances and the model's."""
    said = predictions
    if said.ndim == 1:
        said = np.column_stack([1 - said, said])
    said = said / said.sum(axis=1, keepdims=True)
    own = np.clip(said, np.finfo(np.float64).eps, 1.0)
    return _linear(chances, np.asarray(-np.log(own) / len(chances)))


def roc_auc(chances: Numbers, predictions: Numbers) -> Expected:
    """Of the second class, by the model's score; ties count half, and no row stands with itself."""
    value, slopes = _auc(chances[:, 1], predictions)
    return value, np.column_stack([np.zeros(len(chances)), slopes])


def roc_auc_ovr(chances: Numbers, predictions: Numbers) -> Expected:
    """The mean over the classes of each one against the rest."""
    return _mean_of_classes(
        [_auc(chances[:, k], predictions[:, k]) for k in range(chances.shape[1])]
    )


def f1(chances: Numbers, predictions: Numbers, threshold: float = THRESHOLD) -> Expected:
    """Of the second class."""
    value, slopes = _f1(chances[:, 1], class_indices(predictions, threshold) == 1)
    return value, np.column_stack([np.zeros(len(chances)), slopes])


def f1_macro(chances: Numbers, predictions: Numbers) -> Expected:
    """The mean over the classes."""
    found = class_indices(predictions)
    return _mean_of_classes([_f1(chances[:, k], found == k) for k in range(chances.shape[1])])


def average_precision(chances: Numbers, predictions: Numbers) -> Expected:
    """The mean, over the rows by their chance, of the precision where such a row is positive."""
    order = np.argsort(-predictions, kind="stable")
    score, chance = predictions[order], chances[order, 1]
    last = np.searchsorted(-score, -score, side="right") - 1  # ties count as one threshold
    first = np.searchsorted(-score, -score, side="left")
    rank, total = last + 1.0, float(chance.sum())
    precision = (np.cumsum(chance)[last] - chance + 1) / rank
    value = float((chance * precision).sum() / total)
    # A row's chance counts in the precision of every other that stands with it or below it.
    below = np.cumsum((chance / rank)[::-1])[::-1][first] - chance / rank
    slopes = np.zeros_like(chances)
    slopes[order, 1] = (precision + below - value) / total
    return value, slopes


METRICS: dict[Task, dict[str, Expectation]] = {
    "binary": {
        "roc_auc": roc_auc,
        "log_loss": log_loss,
        "average_precision": average_precision,
        "brier": brier,
        "accuracy": accuracy,
        "f1": f1,
    },
    "multiclass": {
        "log_loss": log_loss,
        "accuracy": accuracy,
        "f1_macro": f1_macro,
        "roc_auc_ovr": roc_auc_ovr,
    },
    "regression": {},
}


def _linear(chances: Numbers, slopes: Numbers) -> Expected:
    return float((chances * slopes).sum()), slopes


def _mean_of_classes(each: list[Expected]) -> Expected:
    value = float(np.mean([v for v, _ in each]))
    return value, np.column_stack([s for _, s in each]) / len(each)


def _f1(chance: Numbers, found: NDArray[np.bool_]) -> Expected:
    total = float(found.sum() + chance.sum())
    value = float(2 * chance[found].sum()) / total if total else 0.0
    return value, np.asarray((2.0 * found - value) / (total or 1.0))


def _auc(chance: Numbers, score: Numbers) -> Expected:
    """The expected share of pairs in order among the pairs of two rows, by levels of the score."""
    levels, level = np.unique(score, return_inverse=True)
    other = 1 - chance
    positive, negative = (np.bincount(level, w, len(levels)) for w in (chance, other))
    below = np.cumsum(negative) - negative / 2
    above = positive.sum() - np.cumsum(positive) + positive / 2
    itself = float((chance * other).sum())
    pairs = float(positive.sum() * negative.sum()) - itself
    value = (float((positive * below).sum()) - itself / 2) / pairs
    in_order = below[level] - above[level] + chance - 0.5
    of_pairs = other.sum() - chance.sum() - 1 + 2 * chance
    return value, np.asarray((in_order - value * of_pairs) / pairs)
