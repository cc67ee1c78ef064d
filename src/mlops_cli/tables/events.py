"""Events as a raw table has them, and the rows of a scored table as predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from mlops_cli.bundle.manifest import Manifest, class_key
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving.predictions import Prediction, prediction_names
from mlops_cli.serving.requests import Event

_NATIVE: dict[ValueType, tuple[pa.DataType, type]] = {
    "boolean": (pa.bool_(), bool),
    "integer": (pa.int64(), int),
    "float": (pa.float64(), float),
    "text": (pa.string(), str),
    "date": (pa.string(), str),
    "timestamp": (pa.string(), str),
}


def table_of(asked: Sequence[tuple[Event, Mapping[str, Any]]], manifest: Manifest) -> pa.Table:
    """Events, each with its typed inputs, as a file has them: n rows, a column an input.

    They stand as they were sent, but for values of a form of their own: a request may write them
    in the usual one, too, and a file may not.
    """
    columns = {}
    for i in manifest.inputs:
        sent = [typed[i.name] if i.format else event.get(i.name) for event, typed in asked]
        columns[i.name] = pa.array(sent, _read(i.type)) if i.format else _column(sent, i.type)
    return pa.table(columns)


def predictions_in(table: pa.Table, manifest: Manifest) -> list[Prediction]:
    """The predictions of a scored table: its last columns, whatever names they were given."""
    names = prediction_names(manifest)
    last = table.select(table.column_names[-len(names) :])
    rows: list[Prediction] = last.rename_columns(names).to_pylist()
    if manifest.task != "multiclass":
        return rows
    keys = [class_key(label) for label in manifest.classes or ()]
    return [
        {"label": row["label"], "probabilities": {k: row[f"probability_{k}"] for k in keys}}
        for row in rows
    ]


def _read(kind: ValueType) -> pa.DataType:
    """The type of values that were read already."""
    return {"date": pa.date32(), "timestamp": pa.timestamp("us")}.get(kind, _NATIVE[kind][0])


def _column(values: Sequence[Any], kind: ValueType) -> pa.Array:
    """Of its own type, or of text where a request wrote a value as one: `"NA"`, `"Yes"`."""
    if kind == "float":
        values = [float(v) if type(v) is int else v for v in values]
    elif kind == "integer":
        values = [int(v) if type(v) is float else v for v in values]
    native, own = _NATIVE[kind]
    if all(v is None or type(v) is own for v in values):
        return pa.array(values, native)
    return pa.array([v if v is None or type(v) is str else _encode(v) for v in values])


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()
