"""A user's table of labels, whole or not at all: by the request's id, or by `data.id`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlops_cli._files import sha256_of
from mlops_cli.bundle.manifest import Manifest
from mlops_cli.errors import DataError
from mlops_cli.expressions.tree import ValueType
from mlops_cli.monitoring.collected.recorded import LABEL_SCHEMA, SEGMENT
from mlops_cli.serving.labels import AHEAD, label_text
from mlops_cli.tables.base import ROW, SOURCE, ColumnForm, Engine, quote

REQUEST, LABEL, PLACE, TIME = "request_id", "label", "row", "time"
_HINT = "docs/guides/prediction-log.md has the columns"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The labels of a file; `keys` are the columns of `data.id` that name the rows, or none."""

    rows: pa.Table
    keys: tuple[str, ...]
    timed: bool

    @property
    def segment(self) -> str:
        """What the file is called among the segments: by its content, so that it counts once."""
        return str(self.rows[SEGMENT][0].as_py()) if self.rows.num_rows else ""


def read_label_file(
    engine: Engine,
    file: Path,
    ids: Sequence[str],
    model: Manifest,
    *,
    form: ValueType | ColumnForm = "text",
) -> LabelFile:
    """Read a CSV or Parquet file of labels in their form; what has no time is of now.

    Raises `DataError` naming the column that is missing, or the first row (from 1) that holds no
    label of the model's, no id, or a row or a time that is none.
    """
    names = [column.name for column in engine.columns(file)]
    keys = _keys(file, names, ids)
    forms: dict[str, ValueType | ColumnForm] = dict.fromkeys(keys or (REQUEST,), "text")
    forms[LABEL] = form
    if PLACE in names and not keys:
        forms[PLACE] = "integer"
    if TIME in names:
        forms[TIME] = "timestamp"
    table = engine.typed_with_source(file, forms)
    cells = ", ".join(quote(n) for name in forms for n in (name, SOURCE + name))
    reader = _Reader(file, keys, model)
    found = engine.batches(f"select {cells}, {ROW} from {table} order by {ROW}")
    batches = [reader.batch(batch) for batch in found]
    return LabelFile(pa.Table.from_batches(batches, LABEL_SCHEMA), keys, TIME in names)


def _keys(file: Path, names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    if LABEL not in names:
        raise DataError(f"{file} has no column `{LABEL}`", hint=_HINT)
    if REQUEST in names:
        return ()
    if ids and set(ids) <= set(names):
        return tuple(ids)
    wanted = f" nor all of data.id ({', '.join(ids)})" if ids else ""
    raise DataError(f"{file} has no column `{REQUEST}`{wanted}", hint=_HINT)


class _Reader:
    def __init__(self, file: Path, keys: Sequence[str], model: Manifest) -> None:
        self._file = file
        self._keys = keys
        self._model = model
        self._now = datetime.now(UTC)
        self._segment = f"file-{sha256_of(file)[:16]}"

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = [self._row(row) for row in batch.to_pylist()]
        columns = [[row.get(name) for row in rows] for name in LABEL_SCHEMA.names]
        arrays = [pa.array(c, t) for c, t in zip(columns, LABEL_SCHEMA.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=LABEL_SCHEMA)

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if said := next(self._faults(row), None):
            raise DataError(f"{self._file}, row {row[ROW] + 1}: {said}", hint=_HINT)
        named = {name: row[name] for name in sorted(self._keys)}
        time = row.get(TIME)
        return {
            TIME: time.replace(tzinfo=UTC) if time else self._now,
            REQUEST: row.get(REQUEST),
            PLACE: row.get(PLACE),
            "id": json.dumps(named) if named else None,
            LABEL: label_text(self._model, row[LABEL]),
            "received": self._now,
            SEGMENT: self._segment,
        }

    def _faults(self, row: Mapping[str, Any]) -> Iterator[str]:
        for name in (LABEL, *(self._keys or (REQUEST,))):
            if row[name] is None and row[SOURCE + name] is None:
                yield f"`{name}` is missing"
        for name in (LABEL, PLACE, TIME):
            if row.get(name) is None and row.get(SOURCE + name) is not None:
                yield f"`{name}` is {str(row[SOURCE + name])[:40]!r}, which is none"
        if (row.get(PLACE) or 0) < 0:
            yield f"`{PLACE}` is less than 0"
        if row.get(TIME) and row[TIME].replace(tzinfo=UTC) > self._now + AHEAD:
            yield f"`{TIME}` is to come"
        try:
            label_text(self._model, row[LABEL])
        except ValueError as e:
            yield str(e)
