"""Models of several libraries whose margins are averaged, as one ensemble of trees in ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Task
from mlops_cli.training.greedy import predictions_of
from mlops_cli.training.tree_ensemble import End, Ensemble, Step, to_onnx

Array = NDArray[np.float64]
# What stands between margins and predictions, whichever library grew the trees.
_LINKS: Mapping[Task, tuple[Sequence[Step], End]] = {
    "binary": ([("Sigmoid", ())], "two classes"),
    "multiclass": ([("Softmax", ())], "classes"),
    "regression": ([], "value"),
}


class Grown(Protocol):
    """A fitted sum of trees."""

    def margins(self, matrix: NDArray[np.float32]) -> Array:
        """Log odds or values of shape (n,), of several classes (n, k), by its own library."""

    def ensemble(self) -> Ensemble:
        """Its trees, whose sum in float64 is the margin."""

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """`Fitted`: the weighted average of models' margins; the weights sum to 1."""

    task: Task
    members: Sequence[tuple[Grown, float]]

    def margins(self, matrix: NDArray[np.float32]) -> Array:
        """See `Grown.margins`."""
        found: Array = np.sum([w * member.margins(matrix) for member, w in self.members], axis=0)
        return found

    def predict(self, matrix: NDArray[np.float32]) -> Array:
        """See `Fitted.predict`: each member's own library, then the average."""
        return predictions_of(self.task, self.margins(matrix))

    def importance(self) -> dict[str, float]:
        """See `Fitted.importance`: the members' by their weights."""
        found: dict[str, float] = {}
        for member, weight in self.members:
            for name, share in member.importance().items():
                found[name] = found.get(name, 0.0) + weight * share
        total = sum(found.values())
        return {name: share / total if total else 0.0 for name, share in found.items()}

    def ensemble(self) -> Ensemble:
        """See `Grown.ensemble`: all trees side by side, leaves times the member's weight."""
        parts = [(member.ensemble(), weight) for member, weight in self.members]
        first = parts[0][0]
        trees = [
            (tree, replace(leaves, values=[part.scale * weight * v for v in leaves.values]))
            for part, weight in parts
            for tree, leaves in part.trees
        ]
        return Ensemble(first.width, first.outputs, trees, 1.0, frozenset())

    def content(self) -> bytes:
        """See `Fitted.content`: ONNX."""
        return content_of(self.task, self.ensemble())


def mixed(task: Task, models: Sequence[Grown], weights: Sequence[float]) -> Mixed:
    """The average of `models` by `weights`."""
    return Mixed(task, list(zip(models, weights, strict=True)))


def content_of(task: Task, ensemble: Ensemble) -> bytes:
    """The ONNX file of an ensemble whose sum is the margin of `task`."""
    steps, end = _LINKS[task]
    return to_onnx(ensemble, steps, end)
