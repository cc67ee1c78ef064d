"""Candidate keys: the columns, or pairs with the time, of which no two rows agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.tables.base import Engine, quote

NEARLY = 0.8  # distinct counts are approximate: what comes this near is counted exactly


def candidate_keys(
    engine: Engine, path: Path, table: TableStatistics, time: str | None
) -> tuple[tuple[str, ...], ...]:
    """Single columns of text or whole numbers that are keys; else the time, or with one column."""
    whole = [
        name for name, c in table.columns.items() if c.type in ("text", "integer") and not c.nulls
    ]
    likely = [n for n in whole if table.columns[n].distinct >= NEARLY * table.rows]
    if found := _unique(engine, path, table, [(name,) for name in likely]):
        return found
    if time is None or table.columns[time].nulls:
        return ()
    moments = max(1, table.columns[time].distinct)
    if moments >= NEARLY * table.rows and (found := _unique(engine, path, table, [(time,)])):
        return found
    pairs = [(n, time) for n in whole if table.columns[n].distinct * moments >= NEARLY * table.rows]
    return _unique(engine, path, table, pairs[:8])


def _unique(
    engine: Engine, path: Path, table: TableStatistics, keys: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    if not keys:
        return ()
    types = {name: table.forms[name] for key in keys for name in key}
    near = ", ".join(f"approx_count_distinct(({_list(key)}))" for key in keys)
    counts = engine.rows(f"select {near} from {engine.typed(path, types)}")[0]
    likely = [k for k, n in zip(keys, counts, strict=True) if n >= NEARLY * table.rows]
    return tuple(key for key in likely if _is_unique(engine, path, table, key))


def _is_unique(engine: Engine, path: Path, table: TableStatistics, key: tuple[str, ...]) -> bool:
    relation = engine.typed(path, {name: table.forms[name] for name in key})
    repeated = f"select 1 from {relation} group by {_list(key)} having count(*) > 1 limit 1"
    return not engine.rows(repeated)


def _list(key: tuple[str, ...]) -> str:
    return ", ".join(quote(name) for name in key)
