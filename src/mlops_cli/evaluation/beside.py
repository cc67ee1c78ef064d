"""A model beside the champion, every metric on the same rows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mlops_cli.evaluation.base import Question
from mlops_cli.evaluation.constant import Array, Gain, gains
from mlops_cli.evaluation.metrics import metrics_of


class Beside(msgspec.Struct, frozen=True):
    """A metric of the model and of the champion, and by how much the model is better."""

    model: float
    champion: float
    gain: Gain


class Champion(msgspec.Struct, frozen=True, omit_defaults=True):
    """The champion (its digest) on `rows` rows of the hold-out; `why` it was not compared, if so.

    Where it may have been fitted on some of the rows it is not `fair`: it is flattered then.
    """

    version: str
    rows: int = 0
    fair: bool = True
    metrics: Mapping[str, Beside] = {}
    why: str | None = None


def beside(
    question: Question,
    target: Array,
    pair: tuple[Array, Array],
    thresholds: tuple[float, float],
) -> dict[str, Beside]:
    """Every metric that is defined on the rows, of two models' predictions (model, champion).

    The intervals are of paired rows; labels are by the threshold of each.
    """
    ours, theirs = (
        metrics_of(question.task, target, predictions, threshold)
        for predictions, threshold in zip(pair, thresholds, strict=True)
    )
    found = gains(question, target, pair, thresholds)
    return {name: Beside(ours[name], theirs[name], gain) for name, gain in found.items()}
