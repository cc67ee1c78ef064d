"""The Open Inference Protocol, version 2, without the form that carries it: REST or gRPC."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving.entry import Entry, vector
from mlops_cli.serving.models import Raw
from mlops_cli.serving.predictions import VALUE, class_indices, shape_of
from mlops_cli.serving.protocols.tensors import BYTES, Column, Shaped
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.serving.served import Served

SERVER = "mlops"
EXTENSIONS = ("binary_tensor_data",)
MAX_ROWS = 100_000
CHUNK = 500  # rows between two turns of the event loop, so that others are answered
_encode = msgspec.json.Encoder().encode
_INPUTS: dict[ValueType, str] = {
    "boolean": "BOOL",
    "integer": "INT64",
    "float": "FP64",
    "text": BYTES,
    "date": BYTES,
    "timestamp": BYTES,
}


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor of an answer: its elements row by row."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    elements: list[Any]


def inputs_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The model's inputs, as metadata has them; dates and moments are texts in ISO 8601."""
    return [{"name": i.name, "datatype": _INPUTS[i.type], "shape": [-1]} for i in manifest.inputs]


def outputs_of(manifest: Manifest) -> list[dict[str, Any]]:
    """The model's outputs, as metadata has them."""
    none = np.empty((0, *shape_of(manifest)))
    return [
        {"name": o.name, "datatype": o.datatype, "shape": [-1, *o.shape[1:]]}
        for o in outputs(manifest, none)
    ]


def outputs(manifest: Manifest, raw: Raw) -> list[Output]:
    """What `Model.predict` gave, as tensors.

    Binary `probability` [n] and `label` [n], multiclass `label` [n] and `probabilities` [n, k] in
    the manifest's order of classes, regression `value` [n], with an interval `low` and `high`, too.
    """
    numbers = raw.ravel().tolist()
    if manifest.interval is not None:
        columns = zip(VALUE, raw.T.tolist(), strict=True)
        return [Output(name, "FP64", (len(raw),), column) for name, column in columns]
    if manifest.task == "regression":
        return [Output("value", "FP64", raw.shape, numbers)]
    classes = manifest.classes or ()
    kind = {bool: "BOOL", int: "INT64", str: BYTES}[type(classes[0])]
    labels = [classes[i] for i in class_indices(raw, manifest.threshold).tolist()]
    label = Output("label", kind, (len(labels),), labels)
    if manifest.task == "binary":
        return [Output("probability", "FP64", raw.shape, numbers), label]
    return [label, Output("probabilities", "FP64", raw.shape, numbers)]


def check_outputs(manifest: Manifest, names: Sequence[str]) -> None:
    """Raise `RequestError` (400) for an output that the model does not have."""
    known = [output["name"] for output in outputs_of(manifest)] if names else []
    for name in names:
        if name not in known:
            had = ", ".join(known)
            raise RequestError(400, f"the model has no output {name[:80]!r}: it has {had}")


def missing(name: str, shape: tuple[int, ...]) -> Output:
    """An output of numbers none of which is there: NaN, in JSON null."""
    return Output(name, "FP64", shape, [math.nan] * math.prod(shape))


def chosen(found: Sequence[Output], names: Sequence[str]) -> list[Output]:
    """The outputs that were asked for, in that order; all, where none was.

    While a rollout runs the version that answers may have fewer than the one that was asked: an
    interval's ends are missing then.
    """
    by_name = {output.name: output for output in found}
    rows = found[0].shape[:1]
    return [by_name.get(name) or missing(name, rows) for name in names] or list(found)


def rows_of(tensors: Sequence[Shaped]) -> int:
    """The number of rows that all tensors have; raises `RequestError` (400, 413)."""
    names = [tensor.name for tensor in tensors]
    if len(set(names)) < len(names):
        raise RequestError(400, "an input stands twice")
    counts = {tensor.rows() for tensor in tensors}
    if len(counts) != 1 or 0 in counts:
        raise RequestError(400, "the inputs must have rows, and all the same number of them")
    rows = counts.pop()
    if rows > MAX_ROWS:
        raise RequestError(413, f"more than {MAX_ROWS} rows: send fewer")
    return rows


async def infer(
    served: Served, columns: Sequence[Column], rows: int, entry: Entry | None = None
) -> Raw:
    """The model's numbers for rows given by column: see `Model.predict`; `entry` is told of them.

    Raises `RequestError` (400) naming tensor and row.
    """
    served.decoder.check_names([column.name for column in columns])
    predictor = served.predictor
    if rows == 1:
        event = next(_events(columns, 0))
        row = predictor.row(event)
        if entry is not None:
            entry.asked((event,))
        raw = await served.batcher.predict(row)
        if entry is not None:
            entry.answered((vector(row),), map(_encode, predictor.answers(raw)))
        return raw
    found = []
    for start in range(0, rows, CHUNK):
        if start:
            await asyncio.sleep(0)
        events = list(_events(columns, start))
        matrix = predictor.encode(events, start)
        if entry is not None:
            entry.asked(events, start=start)
        found.append(predictor.numbers(matrix))
        if entry is not None:
            answers = map(_encode, predictor.answers(found[-1]))
            entry.answered((row.tobytes() for row in matrix), answers)
    return np.concatenate(found)


def _events(columns: Sequence[Column], start: int) -> Iterator[Event]:
    names = [column.name for column in columns]
    parts = (column.values[start : start + CHUNK] for column in columns)
    return (dict(zip(names, row, strict=True)) for row in zip(*parts, strict=True))
