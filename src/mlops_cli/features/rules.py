"""The contracts' conditions on one row, as far as they are about a model's inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli.bundle.manifest import Input
from mlops_cli.bundle.plan import InputRule
from mlops_cli.config.project import Project
from mlops_cli.contracts.conditions import columns_read
from mlops_cli.features.base import Schemas
from mlops_cli.tables.base import Engine, literal
from mlops_cli.tables.recombine import Broken


def input_rules(
    project: Project, schemas: Schemas, inputs: Sequence[Input]
) -> tuple[InputRule, ...]:
    """The rules of every table's contract that read inputs, in the contracts' order."""
    events = {i.name: i for i in inputs if i.source == "event"}
    tables = [(project.config.data.table, events)]
    for join in project.config.features.join:
        tables.append((join.table, {i.name: i for i in inputs if i.name in join.columns}))
    found = []
    for table, known in tables:
        types = schemas[table].types
        for rule in schemas[table].rules:
            read = columns_read(rule, types)
            columns = tuple(name for name in read if name in known)
            whole = all(n in known and known[n].type == types[n] for n in read)
            if columns:
                found.append(InputRule(columns, rule.expr if whole else None))
    return tuple(found)


def broken_by(engine: Engine, rules: Sequence[InputRule], folder: Path) -> Broken | None:
    """What tells which rows of a table of inputs break one of the rules; None without any.

    `folder` is where it may write the table for the engine.
    """
    checks = [f"coalesce(not try({rule.expr}), false)" for rule in rules if rule.expr is not None]
    if not checks:
        return None

    def broken(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        file = folder / "recombined.parquet"
        pq.write_table(table, file)
        found = engine.arrow(
            f"select {' or '.join(checks)} as broken from "
            f"read_parquet({literal(str(file))}, file_row_number = true) order by file_row_number"
        )
        return np.asarray(found["broken"].to_numpy(), dtype=bool)

    return broken
