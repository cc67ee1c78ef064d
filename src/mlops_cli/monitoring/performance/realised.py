"""What a model was worth in a window, by the labels that came; and whether these can be trusted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlops_cli.bundle.manifest import THRESHOLD, Task
from mlops_cli.evaluation.intervals import interval
from mlops_cli.evaluation.metrics import metrics_of
from mlops_cli.monitoring.windows.records import LabelsFound

FEWEST = 30  # rows of a class below which a figure is no verdict
DOUBT = 1e-3  # of a test whether labels came in a biased order
APART = 0.1  # the least distance of two distributions that is called biased
Array = NDArray[np.float64]


def performance_of(
    task: Task, truth: Array, said: Array, *, threshold: float = THRESHOLD
) -> dict[str, float] | None:
    """Every metric of the task on rows that have a label and a prediction, with its 95 % interval.

    `truth`, shape (n,), is NaN without a label; `said`, shape (n,) or (n, classes). The keys are
    NAME, NAME_low and NAME_high; a metric that is undefined on the rows is left out. None where
    fewer than two rows can be judged. `threshold` is the probability from which on a row was called
    positive.
    """
    there = known(truth, said)
    y, p = truth[there], said[there]
    if len(y) < 2:
        return None
    found: dict[str, float] = {}
    for name, value in metrics_of(task, y, p, threshold).items():
        between = interval(task, name, y, p, threshold=threshold)
        found |= {name: value, f"{name}_low": between.low, f"{name}_high": between.high}
    return {name: round(value, 6) for name, value in found.items() if np.isfinite(value)} or None


def labels_of(task: Task, truth: Array, said: Array, *, delay: Array, over: bool) -> LabelsFound:
    """How far the labels of some rows have come, and whether those that came stand for the rest.

    `delay` is how long after its prediction each label is of, in seconds, NaN without one; `over`:
    the time is over in which labels usually come.
    """
    there = known(truth, said)
    rows, labelled = len(truth), int(there.sum())
    partial = labelled < rows and not over
    biased = None
    if 0 < labelled < rows:
        biased = _by_prediction(task, there, said)
    if biased is None and partial:
        biased = _by_delay(task, truth[there], delay[there])
    return LabelsFound(
        rows=rows,
        labelled=labelled,
        over=over,
        partial=partial,
        enough=_is_enough(task, truth[there], said),
        biased=biased,
    )


def baseline_of(recorded: Mapping[str, float], found: Mapping[str, float]) -> dict[str, float]:
    """What the model's own record says of the metrics in `found`."""
    return {name: recorded[name] for name in found if name in recorded}


def _is_enough(task: Task, truth: Array, said: Array) -> bool:
    """Whether so many labels came, of every class, that their figures are to be gone by."""
    if task == "regression":
        return len(truth) >= FEWEST
    classes = 2 if task == "binary" else said.shape[1]
    return bool(np.bincount(truth.astype(np.int64), minlength=classes).min() >= FEWEST)


def known(truth: Array, said: Array) -> NDArray[np.bool_]:
    """Which rows have a label and an answer, shape (n,)."""
    answered = np.isfinite(said) if said.ndim == 1 else np.isfinite(said).all(axis=1)
    return np.asarray(np.isfinite(truth) & answered)


def _score(said: Array) -> Array:
    return said if said.ndim == 1 else said.max(axis=1)


def _by_prediction(task: Task, labelled: NDArray[np.bool_], said: Array) -> str | None:
    """Labelled rows are predicted otherwise than those that wait."""
    score = _score(said)
    there = np.isfinite(score)
    come, waiting = score[labelled & there], score[~labelled & there]
    if min(len(come), len(waiting)) < FEWEST:
        return None
    test = stats.ks_2samp(come, waiting, method="asymp")
    if test.pvalue > DOUBT or test.statistic < APART:
        return None
    what = {
        "binary": "the probability of the positive class",
        "multiclass": "the probability of the likeliest class",
        "regression": "the prediction",
    }[task]
    return (
        f"{what} is {come.mean():.3g} on average where a label has come, and "
        f"{waiting.mean():.3g} where none has: the rows with a label do not stand for the others"
    )


def _by_delay(task: Task, truth: Array, delay: Array) -> str | None:
    """Early labels are others than late ones: those that are still to come will be, too."""
    if len(truth) < 4 * FEWEST or not np.ptp(delay) > 0:
        return None
    late = delay > np.median(delay)
    early, later = truth[~late], truth[late]
    if min(len(early), len(later)) < FEWEST:
        return None
    test = stats.ks_2samp(early, later, method="asymp")
    if test.pvalue > DOUBT or test.statistic < APART:
        return None
    what = "the target" if task == "regression" else "the share of positives"
    if task == "multiclass":
        return "the classes of early labels are others than those of late ones"
    return (
        f"{what} is {early.mean():.3g} among early labels, and {later.mean():.3g} among late ones"
    )
