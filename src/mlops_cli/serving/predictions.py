"""The model's numbers as answers: the fields of a prediction, and the same as columns."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import ClassLabel, Manifest, Task, class_key
from mlops_cli.serving.models import Raw

Prediction = dict[str, Any]
_encode = msgspec.json.Encoder().encode
THRESHOLD = 0.5  # the probability from which on a row is of the positive class


class Answering(Protocol):
    """What an answer's form depends on: a manifest, or a model before its manifest is written."""

    @property
    def task(self) -> Task:
        """What is predicted."""

    @property
    def classes(self) -> tuple[ClassLabel, ...] | None:
        """In the order of the model's numbers; None of a regression."""


def class_indices(raw: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """The class that each row's label is: of probabilities of shape (n,) or (n, k), shape (n,)."""
    best: npt.NDArray[np.intp] = (
        (raw >= THRESHOLD).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
    )
    return best


def render(model: Answering, raw: Raw) -> list[Prediction]:
    """The predictions of `Model.predict`'s array, a dict a row.

    Binary `{"probability", "label"}` (of the positive class), multiclass `{"label",
    "probabilities": {class: p}}`, regression `{"value"}`.
    """
    if model.task == "regression":
        return [{"value": value} for value in raw.tolist()]
    classes = _classes(model)
    if model.task == "binary":
        negative, positive = classes
        return [
            {"probability": p, "label": positive if p >= THRESHOLD else negative}
            for p in raw.tolist()
        ]
    keys = [class_key(label) for label in classes]
    best = class_indices(raw).tolist()
    return [
        {"label": classes[i], "probabilities": dict(zip(keys, row, strict=True))}
        for i, row in zip(best, raw.tolist(), strict=True)
    ]


def contents(model: Answering, raw: Raw) -> list[bytes]:
    """The predictions of `render` as JSON, each by itself."""
    if model.task == "multiclass" or not len(raw):
        return [_encode(prediction) for prediction in render(model, raw)]
    numbers = _encode(raw.tolist())[1:-1].split(b",")
    if model.task == "regression":
        return [b'{"value":%b}' % number for number in numbers]
    ends = [b',"label":%b}' % _encode(label) for label in _classes(model)]
    positive = (raw >= THRESHOLD).tolist()
    return [
        b'{"probability":%b%b' % (number, ends[yes])
        for number, yes in zip(numbers, positive, strict=True)
    ]


def prediction_columns(manifest: Manifest, raw: Raw) -> dict[str, Raw | list[ClassLabel]]:
    """The same predictions as columns, each of length n, in the order in which they are written.

    Binary `probability`, `label`; multiclass `label`, `probability_<class>` for each class;
    regression `value`. Numbers are float64 arrays, labels lists of the classes' own type.
    """
    if manifest.task == "regression":
        return {"value": raw}
    classes = _classes(manifest)
    if manifest.task == "binary":
        labels = [classes[i] for i in class_indices(raw).tolist()]
        return {"probability": raw, "label": labels}
    columns: dict[str, Raw | list[ClassLabel]] = {
        "label": [classes[i] for i in class_indices(raw).tolist()]
    }
    columns.update(
        {f"probability_{class_key(label)}": raw[:, i] for i, label in enumerate(classes)}
    )
    return columns


def prediction_names(manifest: Manifest) -> list[str]:
    """The names of `prediction_columns`, in their order."""
    classes = len(manifest.classes or ())
    shape = (0, classes) if manifest.task == "multiclass" else (0,)
    return list(prediction_columns(manifest, np.empty(shape)))


def _classes(model: Answering) -> tuple[ClassLabel, ...]:
    if model.classes is None:
        raise ValueError(f"a manifest of a {model.task} task names no classes")
    return model.classes
