"""The rows by which a server proves that it computes what training computed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlops_cli.bundle.manifest import Feature, Input
from mlops_cli.bundle.plan import InputRule
from mlops_cli.bundle.reader import GoldenRow
from mlops_cli.expressions.tree import FeatureTree, ValueType, columns_of
from mlops_cli.tables.disclosure import withheld
from mlops_cli.tables.recombine import Broken, Kept, groups_of, recombine

ROWS = 200  # evenly spaced over the fitted rows, beside those chosen for what they hold
EACH = 100  # inputs of which each has rows of its own; a wider table would cost their square
UNSEEN = "a value that was never seen"
_ARROW: dict[ValueType, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}


@dataclass(frozen=True, slots=True)
class Ties:
    """What of a row belongs together when golden rows are drawn.

    `trees` are the features' and `rules` the contracts'; `broken` tells which rows break a rule.
    A column of `sensitive` is drawn by itself.
    """

    trees: Sequence[FeatureTree] = ()
    rules: Sequence[InputRule] = ()
    broken: Broken | None = None
    sensitive: tuple[str, ...] = ()

    def read_by(self, feature: Feature) -> tuple[str, ...]:
        """The inputs that a feature is computed from."""
        trees = (tuple(columns_of(t.tree)) for t in self.trees if t.name == feature.name)
        return next(trees, (feature.name,))

    def groups(self, inputs: Sequence[Input]) -> tuple[tuple[str, ...], ...]:
        """The inputs that are drawn together."""
        ties = [*(tuple(columns_of(t.tree)) for t in self.trees), *(r.columns for r in self.rules)]
        return groups_of([i.name for i in inputs], ties, self.sensitive)


def golden_inputs(
    table: pa.Table, inputs: Sequence[Input], features: Sequence[Feature], ties: Ties | None = None
) -> pa.Table:
    """Raw inputs to hold a server to, made of the fitted rows in `table`; none is one of them.

    Of rows evenly spaced (all where there are few) the values, each input's from another row: see
    `tables.recombine`. So are a row for every category of every feature; for every input its
    smallest and largest value and a null that occurs. Then rows that are made of the middle one: a
    null in each input that may be null and in all of them, an unseen text in each, numbers beyond
    float32. What JSON cannot say (NaN, infinities) is null. Beyond `EACH` inputs several share a
    made row: one of their smallest values, one of their largest. Of a sensitive input no text of
    fewer than five rows occurs, and the smallest and largest value are the fifth from the end.
    """
    ties = ties or Ties()
    table = _withheld(table, inputs, ties.sensitive)
    names = [i.name for i in inputs]
    kept = dict.fromkeys(_of_categories(table, features, ties))
    for i in inputs[:EACH]:
        kept |= {Kept((i.name,), at): None for at in _extremes(table[i.name], i.type)}
    schema = pa.schema([(i.name, _ARROW[i.type]) for i in inputs])
    rows = recombine(
        table.select(names),
        ties.groups(inputs),
        spread=_evenly(table.num_rows),
        kept=list(kept),
        broken=ties.broken,
    )
    real = pa.table([_sayable(c) for c in rows.cast(schema).columns], schema=schema)
    middle = real.slice(real.num_rows // 2, 1).to_pylist()[0]
    rest = list(_made(middle, inputs)) + list(_shared_extremes(middle, table, inputs[EACH:]))
    made = pa.Table.from_pylist(rest, schema=schema)
    return pa.concat_tables([real, made])


def write(raw: pa.Table, file: Path) -> None:
    """Write raw inputs where the data engine can read them."""
    pq.write_table(raw, file)


def golden_lines(
    raw: pa.Table, matrix: NDArray[np.float32], predictions: Sequence[dict[str, Any]]
) -> bytes:
    """`golden.jsonl`: raw inputs, the model's features (n, f), and what training predicts."""
    rows = zip(raw.to_pylist(), matrix.tolist(), predictions, strict=True)
    lines = (
        GoldenRow(
            inputs={name: _json(value) for name, value in inputs.items()},
            features=tuple(None if value != value else value for value in row),
            prediction=prediction,
        )
        for inputs, row, prediction in rows
    )
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _withheld(table: pa.Table, inputs: Sequence[Input], sensitive: Collection[str]) -> pa.Table:
    for i in inputs:
        if i.name in sensitive:
            column = withheld(_sayable(table[i.name]), None if i.nullable else UNSEEN)
            table = table.set_column(table.column_names.index(i.name), i.name, column)
    return table


def _evenly(n: int) -> Sequence[int]:
    return range(n) if n <= ROWS else np.linspace(0, n - 1, ROWS).astype(np.int64).tolist()


def _of_categories(table: pa.Table, features: Sequence[Feature], ties: Ties) -> Iterator[Kept]:
    for feature in features:
        if feature.categories:
            column = table[feature.name].combine_chunks()
            found = pc.index_in(pa.array(feature.categories, column.type), value_set=column)
            yield from (Kept(ties.read_by(feature), at) for at in found.to_pylist())


def _extremes(column: pa.ChunkedArray, kind: ValueType) -> Iterator[int]:
    one = _sayable(column).combine_chunks()
    if one.null_count:
        yield pc.index(one.is_null(), True).as_py()
    if kind != "text" and one.null_count < len(one):
        for end in pc.min_max(one).values():
            yield pc.index(one, end).as_py()


def _sayable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def _made(row: dict[str, Any], inputs: Sequence[Input]) -> Iterator[dict[str, Any]]:
    nullable = [i.name for i in inputs if i.nullable]
    yield from (row | dict.fromkeys(group) for group in _shared(nullable))
    if len(nullable) > 1:
        yield row | dict.fromkeys(nullable)
    texts = [i.name for i in inputs if i.type == "text"]
    yield from (row | dict.fromkeys(group, UNSEEN) for group in _shared(texts))
    floats = [i.name for i in inputs if i.type == "float"]
    if floats:
        yield row | dict.fromkeys(floats, 1e300)
        yield row | dict.fromkeys(floats, -1e300)


def _shared(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """The names one by one; of more than `EACH`, in as many groups."""
    return (names[start::EACH] for start in range(min(EACH, len(names))))


def _shared_extremes(
    row: dict[str, Any], table: pa.Table, inputs: Sequence[Input]
) -> Iterator[dict[str, Any]]:
    """Rows that hold the null, the smallest and the largest value of many inputs at once."""
    found = [(i.name, _sayable(table[i.name]), [*_extremes(table[i.name], i.type)]) for i in inputs]
    for k in range(3):
        values = {name: column[at[k]].as_py() for name, column, at in found if k < len(at)}
        if values:
            yield row | values


def _json(value: bool | int | float | str | date | None) -> bool | int | float | str | None:
    return value.isoformat() if isinstance(value, date) else value  # a datetime is a date, too
