"""The model's numbers as answers: the fields of a prediction, and the same as columns."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from mlops_cli.bundle.manifest import THRESHOLD, ClassLabel, Manifest, Task, class_key
from mlops_cli.serving.models import Raw

Prediction = dict[str, Any]
_encode = msgspec.json.Encoder().encode
VALUE = ("value", "low", "high")  # of a regression; the latter two where it has an interval


class Answering(Protocol):
    """What an answer's form depends on: a manifest, or a model before its manifest is written."""

    @property
    def task(self) -> Task:
        """What is predicted."""

    @property
    def classes(self) -> tuple[ClassLabel, ...] | None:
        """In the order of the model's numbers; None of a regression."""

    @property
    def threshold(self) -> float:
        """The probability from which on a row is of the positive class."""

    @property
    def interval(self) -> float | None:
        """How often a regression's target is to lie between low and high; None: without them."""


def shape_of(model: Answering) -> tuple[int, ...]:
    """The shape of one row's numbers: (), of several classes (k,), of an interval (3,)."""
    if model.task == "multiclass":
        return (len(_classes(model)),)
    return () if model.interval is None else (len(VALUE),)


def points(model: Answering, raw: Raw) -> Raw:
    """The numbers that metrics are of, shape (n,) or (n, k): without the ends of an interval."""
    return raw if model.interval is None else raw[:, 0]


def class_indices(
    raw: npt.NDArray[np.floating], threshold: float = THRESHOLD
) -> npt.NDArray[np.intp]:
    """The class that each row's label is: of probabilities of shape (n,) or (n, k), shape (n,).

    Of several classes the likeliest, whatever the threshold.
    """
    best: npt.NDArray[np.intp] = (
        (raw >= threshold).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
    )
    return best


def render(model: Answering, raw: Raw) -> list[Prediction]:
    """The predictions of `Model.predict`'s array, a dict a row.

    Binary `{"probability", "label"}` (of the positive class), multiclass `{"label",
    "probabilities": {class: p}}`, regression `{"value"}`, with an interval `low` and `high`, too.
    """
    if model.task == "regression":
        if model.interval is not None:
            return [dict(zip(VALUE, row, strict=True)) for row in raw.tolist()]
        return [{"value": value} for value in raw.tolist()]
    classes = _classes(model)
    if model.task == "binary":
        (negative, positive), threshold = classes, model.threshold
        return [
            {"probability": p, "label": positive if p >= threshold else negative}
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
    if raw.ndim > 1 or not len(raw):
        return [_encode(prediction) for prediction in render(model, raw)]
    numbers = _encode(raw.tolist())[1:-1].split(b",")
    if model.task == "regression":
        return [b'{"value":%b}' % number for number in numbers]
    ends = [b',"label":%b}' % _encode(label) for label in _classes(model)]
    positive = (raw >= model.threshold).tolist()
    return [
        b'{"probability":%b%b' % (number, ends[yes])
        for number, yes in zip(numbers, positive, strict=True)
    ]


def prediction_columns(manifest: Manifest, raw: Raw) -> dict[str, Raw | list[ClassLabel]]:
    """The same predictions as columns, each of length n, in the order in which they are written.

    Binary `probability`, `label`; multiclass `label`, `probability_<class>` for each class;
    regression `value`, with an interval `low` and `high`, too. Numbers are float64 arrays, labels
    lists of the classes' own type.
    """
    if manifest.task == "regression":
        columns = raw.T if raw.ndim > 1 else [raw]
        return dict(zip(VALUE, columns, strict=False))
    classes = _classes(manifest)
    if manifest.task == "binary":
        labels = [classes[i] for i in class_indices(raw, manifest.threshold).tolist()]
        return {"probability": raw, "label": labels}
    made: dict[str, Raw | list[ClassLabel]] = {
        "label": [classes[i] for i in class_indices(raw).tolist()]
    }
    made.update({f"probability_{class_key(label)}": raw[:, i] for i, label in enumerate(classes)})
    return made


def prediction_names(manifest: Manifest) -> list[str]:
    """The names of `prediction_columns`, in their order."""
    return list(prediction_columns(manifest, np.empty((0, *shape_of(manifest)))))


def _classes(model: Answering) -> tuple[ClassLabel, ...]:
    if model.classes is None:
        raise ValueError(f"a manifest of a {model.task} task names no classes")
    return model.classes
