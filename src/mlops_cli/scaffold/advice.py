"""What deserves a second look before a project is run for the first time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlops_cli.bundle.manifest import Task
from mlops_cli.contracts.statistics import TableStatistics
from mlops_cli.scaffold.doubtful import doubtful_values
from mlops_cli.scaffold.number_like import number_like
from mlops_cli.scaffold.target import Target
from mlops_cli.tables.base import Engine, quote

FEW_ROWS = 100
RARE = 20  # rows of a class: a part that holds a fifth of them has four


def advice(
    engine: Engine, path: Path, table: TableStatistics, target: Target, *, task: Task
) -> Iterator[str]:
    """Sentences about rows without a target, few rows, odd classes, and numbers that are text."""
    if target.nulls:
        yield (
            f"{target.nulls} of {target.rows} rows have no {target.name}: they are left out of "
            "training, and counted"
        )
    if (rows := target.rows - target.nulls) < FEW_ROWS:
        yield f"{rows} rows are few: no metric will be known to better than a wide interval"
    if task != "regression":
        yield from _rare_classes(engine, path, table, target)
        yield from _alike_classes(engine, path, table, target)
    yield from _numbers_as_text(engine, path, table, target)
    yield from doubtful_values(engine, path, table, target)
    if table.skipped:
        yield f"columns without plain values are not read: {', '.join(table.skipped)}"


def _rare_classes(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> Iterator[str]:
    relation = engine.typed(path, table.forms)
    rare = engine.rows(
        f"select {target.sql}::varchar, count(*) from {relation} where {target.sql} is not null "
        f"group by 1 having count(*) < {RARE} order by 2, 1"
    )
    if rare:
        shown = ", ".join(f"{name} ({count})" for name, count in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        yield (
            f"classes of {target.name} with fewer than {RARE} rows: {shown}{more}: validation and "
            "hold-out may have none of them; metrics are hardly known, or not at all"
        )


def _alike_classes(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> Iterator[str]:
    if target.type != "text":
        return
    alike = engine.rows(
        f"select list_sort(list(distinct {target.sql})) as written "
        f"from {engine.typed(path, table.forms)} where {target.sql} is not null "
        f"group by lower(trim({target.sql})) having len(written) > 1 order by 1"
    )
    for (written,) in alike[:5]:
        yield (
            f"classes of {target.name} that differ in blanks or case alone: "
            f"{', '.join(map(repr, written))}: write them alike where they mean the same"
        )


def _numbers_as_text(
    engine: Engine, path: Path, table: TableStatistics, target: Target
) -> Iterator[str]:
    texts = {
        n: quote(n)
        for n, c in table.columns.items()
        if c.type == "text" and (n == target.name or n not in target.inputs)
    }
    relation = engine.typed(path, {name: table.forms[name] for name in texts})
    for name, example in number_like(engine, relation, texts):
        yield (
            f"{name} is text, though its values look like numbers, such as {example!r}: write "
            "plain ones (0.5, 1234.5) where they are amounts"
        )
