"""New rows beside those that landed before: which came twice, and which came late."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_cli.sources.base import Landed
from mlops_cli.tables.base import ROW, ColumnForm, Engine, quote


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many new rows repeat the key of another one, and how many are of an earlier moment than
    the newest that had landed; None where nobody said by which columns.
    """

    repeated: int | None
    late: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """A folder of parts; `keys` together name a row, `time` is its moment, `forms` a contract's."""

    folder: Path
    landed: Sequence[Landed]
    keys: tuple[str, ...]
    time: str | None
    forms: Mapping[str, ColumnForm]


def arrivals(engine: Engine, table: Table, new: Collection[int]) -> Arrivals:
    """Hold the rows of the parts `new`, by their numbers, to all others."""
    kinds = {c.name: c.type for c in engine.columns(table.folder) if c.type is not None}
    forms = {n: table.forms.get(n, ColumnForm(kind)) for n, kind in kinds.items()}
    fresh = " or ".join(_ranges(table.landed, new))
    repeated = late = None
    if fresh and table.keys and forms.keys() >= set(table.keys):
        relation = engine.typed(table.folder, {n: forms[n] for n in table.keys})
        repeated = int(engine.rows(_repeated(relation, table.keys, fresh))[0][0])
    if fresh and table.time in forms and forms[table.time].type in ("date", "timestamp"):
        relation, at = engine.typed(table.folder, {table.time: forms[table.time]}), table.time
        late = int(engine.rows(_late(relation, at, fresh))[0][0])
    return Arrivals(repeated, late)


def _repeated(relation: str, keys: Sequence[str], fresh: str) -> str:
    # The new keys are few, and what is hashed; of the others the columns of the key are read.
    names = ", ".join(map(quote, keys))
    there = " and ".join(f"{quote(name)} is not null" for name in keys)
    return (
        f"with fresh as (select {names}, count(*) as n from {relation} "
        f"where ({fresh}) and {there} group by {names}), "
        f"others as (select {names} from {relation} where not ({fresh}) and {there}) "
        f"select coalesce(sum(n), 0) - count(*) + "
        f"(select count(*) from fresh semi join others using ({names})) from fresh"
    )


def _late(relation: str, time: str, fresh: str) -> str:
    at = quote(time)
    newest = f"select max({at}) from {relation} where not ({fresh})"
    return f"select count(*) from {relation} where ({fresh}) and {at} < ({newest})"


def _ranges(landed: Sequence[Landed], new: Collection[int]) -> Iterator[str]:
    """The rows of parts, by their numbers in the table; parts that follow one another are one."""
    row, begin = 0, None
    for part in landed:
        if part.number in new and begin is None:
            begin = row
        elif part.number not in new and begin is not None:
            yield f"{ROW} between {begin} and {row - 1}"
            begin = None
        row += part.rows
    if begin is not None:
        yield f"{ROW} >= {begin}"
