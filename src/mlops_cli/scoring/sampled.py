"""Raw rows to hold a model to: those that a service was asked for, or the hold-out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.expressions.tree import ValueType
from mlops_cli.monitoring.recorded import recorded_predictions
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.tables.base import ROW, Engine
from mlops_cli.tables.split import Rows
from mlops_cli.training.data import read_events

Source = Literal["recorded", "hold-out", "table"]
_CHUNK = 262_144  # rows of the table that are looked at at once
_NATIVE: dict[ValueType, tuple[pa.DataType, type]] = {
    "boolean": (pa.bool_(), bool),
    "integer": (pa.int64(), int),
    "float": (pa.float64(), float),
    "text": (pa.string(), str),
    "date": (pa.string(), str),
    "timestamp": (pa.string(), str),
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """n raw rows as a file would have them, and how a person finds each.

    `events` are recorded rows as they were sent; the hold-out's are in no request's form.
    `left_out` were asked for, and cannot be asked again: their log kept digests of their columns,
    or left some out.
    """

    source: Source
    table: pa.Table
    names: tuple[str, ...]
    events: tuple[Event, ...] = ()
    left_out: int = 0


def recorded_rows(engine: Engine, project: Project, bundle: Bundle, count: int) -> Sampled | None:
    """The last `count` rows that this version answered, of those collected; None without any."""
    store = recorded_predictions(project.root)
    if not store.days():
        return None
    found = engine.rows(
        f"select request_id, row, inputs from {store.relation()} where version = $version and "
        f"prediction is not null order by time desc, request_id, row limit {int(count)}",
        {"version": bundle.version},
    )
    encoder = RowEncoder(bundle.manifest, bundle.trees())
    asked, names = [], []
    for request, row, inputs in found:
        event: Event = msgspec.json.decode(inputs)
        if (typed := _values(encoder, event)) is not None:
            asked.append((event, typed))
            names.append(f"row {row} of request {request}")
    if not asked:
        return None
    table = _table(asked, bundle.manifest)
    events = tuple(event for event, _ in asked)
    return Sampled("recorded", table, tuple(names), events, len(found) - len(events))


def holdout_rows(engine: Engine, project: Project, count: int) -> Sampled:
    """`count` rows (all, where there are fewer) evenly spaced over the hold-out, as in the table.

    Raises `DataError` where `featurize` has not run.
    """
    events = read_events(project.root, project.config)
    held = events.numbers[events.split.holdout]
    numbers = np.sort(held[_evenly(len(held), count)])
    return _numbered(engine, project, numbers, "hold-out")


def table_rows(engine: Engine, project: Project, count: int) -> Sampled:
    """`count` rows (all, where there are fewer) evenly spaced over the project's table."""
    path = project.root / project.config.data.table
    total = engine.rows(f"select count(*) from {engine.raw(path)}")[0][0]
    return _numbered(engine, project, _evenly(int(total), count), "table")


def _evenly(total: int, count: int) -> Rows:
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.int64))


def _numbered(engine: Engine, project: Project, numbers: Rows, source: Source) -> Sampled:
    """The table's rows of these ascending numbers."""
    path = project.root / project.config.data.table
    kept, start = [], 0
    for chunk in engine.chunks(path, rows=_CHUNK):
        inside = numbers[(numbers >= start) & (numbers < start + chunk.num_rows)] - start
        kept.append(pa.table(chunk).take(pa.array(inside)))
        start += chunk.num_rows
    table = pa.concat_tables(kept)
    own = [name for name in table.column_names if name != ROW]
    names = tuple(f"row {n} of {project.config.data.table}" for n in numbers.tolist())
    return Sampled(source, table.select(own), names)


def _values(encoder: RowEncoder, event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The typed inputs of an event; None where the service would refuse it."""
    try:
        return encoder.values(event)
    except RequestError:
        return None


def _table(asked: Sequence[tuple[Event, Mapping[str, Any]]], manifest: Manifest) -> pa.Table:
    """Events as a file has them: as they were sent, but for dates of a form of their own.

    A request may write those in ISO 8601, too, and a file may not.
    """
    columns = {}
    for i in manifest.inputs:
        sent = [typed[i.name] if i.format else event.get(i.name) for event, typed in asked]
        kind = pa.date32() if i.type == "date" else pa.timestamp("us")
        columns[i.name] = pa.array(sent, kind) if i.format else _column(sent, i.type)
    return pa.table(columns)


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
