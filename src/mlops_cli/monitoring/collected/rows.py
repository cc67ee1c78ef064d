"""The rows of a window as one Arrow table: typed inputs, features, what was said and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Input, Manifest, class_key
from mlops_cli.monitoring.collected.labelled import labelled, reached
from mlops_cli.monitoring.collected.traffic import SHADOW, Selection, Traffic
from mlops_cli.serving.predictions import VALUE, points, shape_of
from mlops_cli.tables.base import ColumnForm, Engine, literal, quote
from mlops_cli.tables.casts import cast_sql
from mlops_cli.tables.groups import codes_of

CAP = 50_000  # rows of a window that are looked at: further ones move no figure that matters
_PARTS = 1_000_000  # of all units, of which so many are looked at
_IN, _SAID, UNIT, _PLACE = "__in__", "__said__", "__unit__", "__place__"
_FIRST, _LABEL, _LABELLED, _TIME = "__first__", "__label__", "__label_time__", "__time__"
_REQUEST, _ROW, _MIXED = "__request__", "__request_row__", "__mixed__"
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read of the rows that a version answered.

    `features` are SQL over the typed inputs, by name, of those that are no plain column; `unit`
    are the columns of `data.id` of which one row each counts where rows of one are alike;
    `segments` the inputs by whose values rows are judged, too.
    """

    manifest: Manifest
    features: Mapping[str, str] = field(default_factory=dict)
    unit: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows: `table` has every input and feature by name.

    `said` are the model's numbers, shape (n,) or (n, classes), NaN where it failed; `truth` the
    class's index or the value, NaN without a label. `first` tells which row of its unit a row is
    that counts, of the window's rows and then of each segment's column. `delay` is how long after
    the prediction its label is of, in seconds. `labels` is the fingerprint of the labels. `ends`
    are low and high, shape (n, 2), where a regression answers them.
    """

    table: pa.Table
    said: Array
    truth: Array
    delay: Array
    first: Mapping[str, NDArray[np.bool_]]
    with_unit: int
    labels: str = ""
    ends: Array | None = None

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.table.num_rows)

    def units(self) -> NDArray[np.int64]:
        """The number of each row's unit, shape (n,); a row that names none has its own."""
        return codes_of(self.table, [UNIT])

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        """The rows that are chosen, shape (n,)."""
        first = {name: mask[chosen] for name, mask in self.first.items()}
        table = self.table.filter(pa.array(chosen))
        said, truth, delay = self.said[chosen], self.truth[chosen], self.delay[chosen]
        ends = None if self.ends is None else self.ends[chosen]
        return Rows(table, said, truth, delay, first, self.with_unit, ends=ends)


class Reader:
    """Reads the rows of windows that one version answered."""

    def __init__(self, engine: Engine, traffic: Traffic, asked: Asked, *, cap: int = CAP) -> None:
        self._engine = engine
        self._traffic = traffic
        self._asked = asked
        self._cap = cap

    def read(self, rows: Selection, version: str, count: int) -> Rows:
        """Those of `rows` that the version answered, at most about `cap` of `count` of them.

        Which ones follows from their unit (or request) alone, so that rows of one stay together.
        """
        table = self._engine.arrow(self._sql(rows, version, count))
        manifest = self._asked.manifest
        numbers = _said(table[_SAID], manifest)
        first = {
            name: np.asarray(table[f"{_FIRST}{i}"])
            for i, name in enumerate(("", *self._asked.segments))
        }
        return Rows(
            table=table,
            said=points(manifest, numbers),
            ends=None if manifest.interval is None else numbers[:, 1:],
            truth=_truth(table[_LABEL], manifest),
            delay=_seconds(table[_LABELLED]) - _seconds(table[_TIME]),
            first=first,
            with_unit=len(table) - table[UNIT].null_count,
            labels=_mixed(table[_MIXED]),
        )

    def labels(self, rows: Selection, version: str, count: int) -> str:
        """The fingerprint of the labels that came for the rows which `read` would give."""
        found = self._labelled(rows, version, count)
        ((n, mixed),) = self._engine.rows(
            "select count(*), bit_xor(hash(request_id, row, label, label_time)) "
            f"from {found} where label is not null"
        )
        return f"{n}-{mixed or 0:x}"

    def reached(self, rows: Selection, version: str, count: int, files: Sequence[Path]) -> bool:
        """Whether a label in one of these files goes to a row that `read` would give."""
        chosen, labels = self._chosen(rows, version, count), self._traffic.labels_in(files)
        return reached(self._engine, chosen, labels, ids=self._asked.manifest.id)

    def _chosen(self, rows: Selection, version: str, count: int) -> Selection:
        asked = self._asked
        unit = _unit_sql(asked.unit)
        alone = "request_id || ' ' || row"
        whole = f"version = {literal(version)} and variant <> '{SHADOW}'"
        if count > self._cap:
            whole += f" and {self._drawn(count)}"
        inputs = _spec({i.name: _json_type(i) for i in asked.manifest.inputs})
        return Selection(
            f"(select time, request_id, row, id, {unit} as {UNIT}, hash({alone}) as {_PLACE}, "
            f"json_transform(inputs, {inputs}) as {_IN}, {_numbers_sql(asked.manifest)} as {_SAID} "
            f"from {rows.sql} where {whole})"
        )

    def inputs(self, rows: Selection, version: str, count: int) -> str:
        """The rows that `read` would give, as SQL: the typed inputs, and `__id__`."""
        chosen = self._chosen(rows, version, count)
        inputs = self._asked.manifest.inputs
        raw = ", ".join(
            f"struct_extract({_IN}, {literal(i.name)}) as {quote(i.name)}" for i in inputs
        )
        typed = ", ".join(f"{_cast(i)} as {quote(i.name)}" for i in inputs)
        return f"(select {typed}, __id__ from (select {raw}, id as __id__ from {chosen.sql}))"

    def _labelled(self, rows: Selection, version: str, count: int) -> str:
        chosen = self._chosen(rows, version, count)
        by_request = not self._asked.unit and count > self._cap
        labels = self._traffic.labels_for(chosen, self._drawn(count) if by_request else None)
        return labelled(chosen, labels, ids=self._asked.manifest.id)

    def _drawn(self, count: int) -> str:
        """Whether a row is among those that are looked at: all of a unit are, or none."""
        unit = _unit_sql(self._asked.unit)
        key = f"coalesce({unit}, request_id || ' ' || row)" if self._asked.unit else "request_id"
        return f"hash({key}) % {_PARTS} < {int(self._cap / count * _PARTS)}"

    def _sql(self, rows: Selection, version: str, count: int) -> str:
        asked = self._asked
        found = self._labelled(rows, version, count)
        own = f"{_SAID}, {UNIT}, {_PLACE}, {_LABEL}, {_LABELLED}, {_TIME}, {_REQUEST}, {_ROW}"
        raw = ", ".join(
            f"struct_extract({_IN}, {literal(i.name)}) as {quote(i.name)}"
            for i in asked.manifest.inputs
        )
        typed = ", ".join(f"{_cast(i)} as {quote(i.name)}" for i in asked.manifest.inputs)
        made = "".join(f", {sql} as {quote(name)}" for name, sql in asked.features.items())
        names = ", ".join(quote(i.name) for i in asked.manifest.inputs)
        firsts = "".join(
            f", {_first(asked.unit, segment)} as {_FIRST}{i}"
            for i, segment in enumerate(("", *asked.segments))
        )
        return (
            f"select {names}{made}, {_SAID}, {UNIT}, {_LABEL}, {_LABELLED}, {_TIME}, "
            f"case when {_LABEL} is not null then hash({_REQUEST}, {_ROW}, {_LABEL}, {_LABELLED}) "
            f"end as {_MIXED}{firsts} "
            f"from (select {typed}, {own} from (select {raw}, {_SAID}, {UNIT}, {_PLACE}, "
            f"label as {_LABEL}, label_time as {_LABELLED}, time as {_TIME}, "
            f"request_id as {_REQUEST}, row as {_ROW} from {found}))"
        )


def unit_of(manifest: Manifest, subject: Sequence[str]) -> tuple[str, ...]:
    """What is drawn independently: the subject of `data.id`, or else the event; empty: neither."""
    return tuple(subject) or manifest.id


def _first(unit: Sequence[str], segment: str) -> str:
    if not unit:
        return "true"
    within = f", {quote(segment)}" if segment else ""
    order = f"order by {_PLACE}"
    return f"({UNIT} is null or row_number() over (partition by {UNIT}{within} {order}) = 1)"


def _mixed(column: pa.ChunkedArray) -> str:
    """The number of labels and the mix of their hashes, as `Reader.labels` has them."""
    hashes = np.asarray(column.drop_null().to_numpy(), np.uint64)
    return f"{len(hashes)}-{int(np.bitwise_xor.reduce(hashes)) if len(hashes) else 0:x}"


def _unit_sql(unit: Sequence[str]) -> str:
    """The text of a row's unit; null where the row does not name it."""
    parts = [f"json_extract_string(id, {literal(f'$.{quote(name)}')})" for name in unit]
    return " || chr(31) || ".join(parts) if parts else "null::varchar"


def _json_type(i: Input) -> str:
    if i.type == "boolean":
        return "BOOLEAN"
    return "DOUBLE" if i.type in ("integer", "float") and not i.format else "VARCHAR"


def _cast(i: Input) -> str:
    return cast_sql(i.name, _json_type(i), ColumnForm(i.type, i.missing, i.format))


def _spec(types: Mapping[str, object]) -> str:
    return literal(msgspec.json.encode(types).decode())


def said_sql(manifest: Manifest) -> str:
    """The model's numbers: a double, or a list of them in the order of the classes."""
    if manifest.task == "regression":
        return f"json_transform(prediction, {_spec({'value': 'DOUBLE'})}).value"
    if manifest.task == "binary":
        return f"json_transform(prediction, {_spec({'probability': 'DOUBLE'})}).probability"
    keys = [class_key(label) for label in manifest.classes or ()]
    of = f"json_transform(prediction, {_spec({'probabilities': dict.fromkeys(keys, 'DOUBLE')})})"
    each = (f"struct_extract({of}.probabilities, {literal(key)})" for key in keys)
    return f"[{', '.join(each)}]"


def _numbers_sql(manifest: Manifest) -> str:
    """The same with the ends of an interval, as a list, where there is one."""
    if manifest.interval is None:
        return said_sql(manifest)
    of = f"json_transform(prediction, {_spec(dict.fromkeys(VALUE, 'DOUBLE'))})"
    return f"[{', '.join(f'{of}.{name}' for name in VALUE)}]"


def _said(column: pa.ChunkedArray, manifest: Manifest) -> Array:
    shape = shape_of(manifest)
    if not shape:
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
    return np.asarray(flat, np.float64).reshape(len(column), *shape)


def _truth(column: pa.ChunkedArray, manifest: Manifest) -> Array:
    """Labels as numbers; what is none of the model's is missing."""
    if manifest.task == "regression":
        numbers = pc.if_else(pc.is_valid(column), column, None)
        return _doubles(numbers)
    keys = pa.array([class_key(label) for label in manifest.classes or ()], pa.string())
    return _doubles(pc.index_in(column, value_set=keys))


def _doubles(column: pa.ChunkedArray) -> Array:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _seconds(column: pa.ChunkedArray) -> Array:
    return _doubles(column.cast(pa.timestamp("us")).cast(pa.int64())) / 1e6
