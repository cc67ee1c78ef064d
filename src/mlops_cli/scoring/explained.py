"""Why each row of a file got its number, as columns beside its prediction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import ClassLabel, Manifest, class_key
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import UsageError
from mlops_cli.serving.contributions import Contributing
from mlops_cli.serving.explain import open_explainer
from mlops_cli.serving.models import Matrix, Model, Raw
from mlops_cli.tables.base import Engine

BLOCK = 16_384  # rows whose contributions are in memory at a time, for each class
MOST = 10_000  # rows of a model whose library does not explain itself: a second for some hundred
BASE, MARGIN, PART, SPACE = "contribution_base", "margin", "contribution_", "explained"


class Explaining:
    """Contributions of a bundle's model, many rows at a time.

    XGBoost's are its own exact TreeSHAP; any other model is explained as the server does it.
    `space` is what they add up to: `margin`, or for some rows at least what is answered (`value`);
    `error` is the largest standard error of those that were estimated.
    """

    def __init__(self, bundle: Bundle, model: Model) -> None:
        self._model = model
        self._explainer = open_explainer(bundle, model)
        self._names = explained_names(bundle.manifest)
        self._own = isinstance(model, Contributing)
        self.space = "margin"
        self.error: float | None = None

    def columns(self, matrix: Matrix) -> dict[str, Raw | list[ClassLabel]]:
        """The columns of `explained_names` for the rows of a matrix (n, f), each of length n.

        Raises `RequestError` for a model that is too wide to be asked.
        """
        spaces: list[ClassLabel] = []
        blocks = [self._block(b, spaces) for b in _blocks(matrix)]
        numbers = self._names if self._own else self._names[:-1]
        found = np.concatenate(blocks) if blocks else np.empty((0, len(numbers)))
        columns: dict[str, Raw | list[ClassLabel]] = dict(zip(numbers, found.T, strict=True))
        return columns if self._own else columns | {SPACE: spaces}

    def _block(self, matrix: Matrix, spaces: list[ClassLabel]) -> Raw:
        """Shape (n, names): a part for each feature and class, the bases, and what they sum to."""
        if isinstance(self._model, Contributing):
            parts, margins = self._model.contributions(matrix)
            bases = margins - parts.sum(axis=1)
        else:
            told = self._explainer.explain(matrix)
            parts = np.stack([e.parts for e in told])
            bases = np.stack([e.base for e in told])
            margins = bases + parts.sum(axis=1)
            spaces += [e.space for e in told]
            self.space = "value" if "value" in spaces else self.space
            errors = [self.error, *(e.error for e in told)]
            self.error = max((e for e in errors if e is not None), default=None)
        flat = parts.reshape(len(matrix), -1)
        return np.concatenate([flat, bases, margins], axis=1)


def explained_names(manifest: Manifest) -> list[str]:
    """`contribution_FEATURE` for each feature, `contribution_base` and `margin`, to which they add.

    Of several classes each ends with `_CLASS`; where two would be the same, the later has a number.
    A model that is only asked has `explained`, too: whether a row's `margin` is one, or its value.
    """
    ends = [""]
    if manifest.task == "multiclass":
        ends = [f"_{class_key(label)}" for label in manifest.classes or ()]
    wanted = [PART + f.name + end for f in manifest.features for end in ends]
    tail = [name + end for name in (BASE, MARGIN) for end in ends]
    used = {name.lower() for name in tail}
    names = []
    for name in wanted:
        free, number = name, 2
        while free.lower() in used:
            free, number = f"{name}_{number}", number + 1
        used.add(free.lower())
        names.append(free)
    return names + tail + ([] if manifest.model == "xgboost" else [SPACE])


def check_affordable(engine: Engine, source: Path, bundle: Bundle) -> None:
    """Raise `UsageError` where a file has too many rows for a model that is only asked."""
    if bundle.manifest.model == "xgboost":
        return
    ((rows,),) = engine.rows(f"select count(*) from {engine.raw(source)}")
    if rows > MOST:
        raise UsageError(
            f"{source.name} has {rows:,} rows, and the library of this model does not explain "
            f"itself: each takes up to 2,048 predictions, and at most {MOST:,} are explained",
            hint="explain a part of the rows",
        )


def _blocks(matrix: npt.NDArray[np.float32]) -> Iterator[Matrix]:
    for start in range(0, len(matrix), BLOCK):
        yield matrix[start : start + BLOCK]
