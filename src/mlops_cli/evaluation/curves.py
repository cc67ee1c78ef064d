"""What a threshold does: ROC, precision and recall, gain, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_cli.evaluation.judged import Judged
from mlops_cli.evaluation.shares import wilson

Array = NDArray[np.float64]
POINTS = 101  # of a curve: every hundredth of its horizontal axis
TENTHS = 10
CLASSES = 20  # of a confusion matrix, the most frequent ones


class Curves(msgspec.Struct, frozen=True):
    """Curves of a binary task over a grid of 0, 0.01, ... 1.

    `roc` is the true positive rate by the false one, `precision` the best one at each recall,
    `gain` the share of positives among so large a share of the rows, the likeliest first. `lift`
    is of each tenth of the rows: the share of positives there over that of all.
    """

    roc: Sequence[float]
    precision: Sequence[float]
    gain: Sequence[float]
    lift: Sequence[float]


class ClassRates(msgspec.Struct, frozen=True):
    """How well one class is found; `recall` or `precision` is null where nothing makes it."""

    rows: int
    recall: float | None
    recall_interval: tuple[float, float] | None
    precision: float | None
    precision_interval: tuple[float, float] | None


class Confusion(msgspec.Struct, frozen=True):
    """Rows by their actual class and, within, by their label; `more` classes are left out."""

    classes: Sequence[str]
    rows: Sequence[Sequence[int]]
    rates: Mapping[str, ClassRates]
    more: int = 0


def curves_of(judged: Judged) -> Curves | None:
    """The curves of a binary task; None where only one class is there."""
    y, p = judged.target == 1, judged.predictions
    m, n = int(y.sum()), len(y)
    if m in (0, n):
        return None
    order = np.argsort(-p, kind="stable")
    hits, score = np.cumsum(y[order]), p[order]
    last = np.flatnonzero(np.append(score[1:] != score[:-1], True))  # ties are one threshold
    found, seen = hits[last], last + 1
    grid = np.linspace(0, 1, POINTS)
    recall, precision = found / m, found / seen
    best = np.maximum.accumulate(precision[::-1])[::-1]  # of at least so much recall
    ends = (np.append(0, seen) * (1 / n), np.append(0, recall))
    gain = np.interp(grid, *ends)
    shares = np.interp(np.linspace(0, 1, TENTHS + 1), *ends)
    return Curves(
        roc=_rounded(np.interp(grid, np.append(0, (seen - found) / (n - m)), np.append(0, recall))),
        precision=_rounded(best[np.searchsorted(recall, grid, side="left")]),
        gain=_rounded(gain),
        lift=_rounded(np.diff(shares) * TENTHS),
    )


def confusion_of(judged: Judged) -> Confusion:
    """Of the rows' labels, with each class's recall and precision."""
    k = len(judged.names)
    actual = judged.target.astype(np.int64)
    counts = np.bincount(actual * k + judged.labels, minlength=k * k).reshape(k, k)
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:CLASSES])
    return Confusion(
        classes=[judged.names[i] for i in shown],
        rows=counts[np.ix_(shown, shown)].tolist(),
        rates={judged.names[i]: _rates(counts, int(i)) for i in shown},
        more=k - len(shown),
    )


def _rates(counts: NDArray[np.int64], i: int) -> ClassRates:
    hits, own, said = int(counts[i, i]), int(counts[i].sum()), int(counts[:, i].sum())
    return ClassRates(
        own,
        hits / own if own else None,
        wilson(hits, own) if own else None,
        hits / said if said else None,
        wilson(hits, said) if said else None,
    )


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.5g}") for value in values.tolist()]
