"""Raw rows to hold a model to: those that a service was asked for, or the hold-out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.monitoring.collected.recorded import recorded_predictions
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.serving.requests import Event, RequestError
from mlops_cli.tables.base import ROW, Engine
from mlops_cli.tables.events import table_of
from mlops_cli.tables.split import Rows
from mlops_cli.training.data import read_events

Source = Literal["recorded", "hold-out", "table"]
_CHUNK = 262_144  # rows of the table that are looked at at once


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
    table = table_of(asked, bundle.manifest)
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
