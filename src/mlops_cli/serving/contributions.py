"""Why a row got its number: parts of its features that add up to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from mlops_cli.bundle.manifest import Manifest, Task, class_key
from mlops_cli.serving.models import Matrix, Raw
from mlops_cli.serving.predictions import Prediction

Space = Literal["margin", "value"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The parts (f, k) of one row's numbers (k: 1, or one a class), which with `base` (k) add up.

    `margin`: to log odds (of several classes: log probabilities less their mean, or the library's
    own margins), or what stands before a regression's link; `value`: to what is answered. `error`
    is the largest standard error of a part that was estimated, None where all are exact.
    """

    parts: Raw
    base: Raw
    space: Space
    error: float | None = None


class Explainer(Protocol):
    """Explains rows of a model's matrix."""

    def explain(self, matrix: Matrix) -> list[Explanation]:
        """One explanation a row of a matrix of shape (n, f)."""


@runtime_checkable
class Contributing(Protocol):
    """A model whose library has contributions of its own."""

    def contributions(self, matrix: Matrix) -> tuple[Raw, Raw]:
        """Parts of shape (n, f, k), and the margins of shape (n, k) to which they add up.

        What the parts leave of a margin is the same for every row, but for float32's rounding.
        """

    def predict(self, matrix: Matrix) -> Raw:
        """See `Model.predict`."""


class OwnExplainer:
    """The library's contributions. What float32 rounds off their sum goes to the base."""

    def __init__(self, model: Contributing, task: Task) -> None:
        self._model = model
        self._task = task

    def explain(self, matrix: Matrix) -> list[Explanation]:
        """See `Explainer.explain`."""
        parts, margins = self._model.contributions(matrix)
        bases = margins - parts.sum(axis=1)
        space: Space = "margin"
        if self._task == "regression" and np.array_equal(
            margins[:, 0], self._model.predict(matrix)
        ):
            space = "value"  # no link stands between the two
        return [Explanation(p, b, space) for p, b in zip(parts, bases, strict=True)]


def explained(
    manifest: Manifest,
    matrix: Matrix,
    predictions: Iterable[Prediction],
    explanations: Iterable[Explanation],
) -> list[Prediction]:
    """Each prediction with `features`, `contributions` {feature: part}, `base` and `space`.

    `features` are what the model was given, the rows of `matrix` (n, f): a category as its index
    in the manifest, missing as None. Of several classes `contributions` and `base` are by class.
    `error` stands where parts were estimated.
    """
    names = [feature.name for feature in manifest.features]
    keys = [class_key(label) for label in manifest.classes or ()]
    made = []
    rows = matrix.tolist()
    for row, prediction, of in zip(rows, predictions, explanations, strict=True):
        columns = [dict(zip(names, column, strict=True)) for column in of.parts.T.tolist()]
        bases = of.base.tolist()
        told: dict[str, Any] = {"contributions": columns[0], "base": bases[0], "space": of.space}
        if manifest.task == "multiclass":
            told["contributions"] = dict(zip(keys, columns, strict=True))
            told["base"] = dict(zip(keys, bases, strict=True))
        given = (None if value != value else value for value in row)
        told["features"] = dict(zip(names, given, strict=True))
        if of.error is not None:
            told["error"] = of.error
        made.append(prediction | told)
    return made
