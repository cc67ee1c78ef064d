"""The parts of the hold-out that `evaluate.slices` names, as masks of its rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlops_cli.bundle.plan import SENSITIVE
from mlops_cli.config.paths import CONFIG
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.evaluation.groups import groups_of
from mlops_cli.expressions.tree import ValueType
from mlops_cli.features.expressions import parse
from mlops_cli.features.sql import render
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import literal
from mlops_cli.training.data import Events

Mask = NDArray[np.bool_]


def declared_slices(project: Project, events: Events) -> dict[str, Mask]:
    """The masks of the hold-out's rows by name, each of shape (n,).

    A column makes one for each of its values (or quarter of its numbers), `origin = JFK`; a
    condition makes one, of the rows of which it is true. Raises `UsageError` for what is neither.
    """
    asked = project.config.evaluate.slices
    if not asked:
        return {}
    known = _types(events)
    names = {i.name for i in events.plan.inputs} | {f.name for f in events.plan.features}
    private = {n: SENSITIVE + n for n in project.config.data.sensitive if n not in names}
    masks: dict[str, Mask] = {}
    conditions: dict[str, str] = {}
    for number, text in enumerate(asked):
        if text in names or text in private:
            masks |= _of_column(events, text, private.get(text, text))
        else:
            conditions[text] = _condition(number, text, known)
    return masks | _of_conditions(project, events, conditions)


def _types(events: Events) -> dict[str, ValueType]:
    """As `data/features.parquet` has them: the features that are no inputs are floats or texts."""
    made: dict[str, ValueType] = {
        t.name: "text" if t.tree.type == "text" else "float" for t in events.plan.trees
    }
    return made | {i.name: i.type for i in events.plan.inputs}


def _of_column(events: Events, name: str, column: str) -> dict[str, Mask]:
    groups = groups_of(events.rows(events.split.holdout, [column])[column])
    return {f"{name} = {value}": groups.codes == i for i, value in enumerate(groups.names)}


def _condition(number: int, text: str, known: dict[str, ValueType]) -> str:
    where = f"{CONFIG}: evaluate.slices.{number}"
    try:
        tree = parse(text, known)
    except UsageError as e:
        raise UsageError(f"{where}: {e.message}", hint=e.hint) from e
    if tree.type != "boolean":
        raise UsageError(
            f"{where}: {text!r} is {tree.type}, and a slice is a column or a condition",
            hint=f"write a condition such as `{text} > 10`, or name an input or a feature",
        )
    return render(tree)


def _of_conditions(project: Project, events: Events, conditions: dict[str, str]) -> dict[str, Mask]:
    if not conditions:
        return {}
    cells = ", ".join(
        f"coalesce({sql}, false) as c{i}" for i, sql in enumerate(conditions.values())
    )
    source = f"read_parquet({literal(str(events.file))}, file_row_number = true)"
    with open_engine(temporary=project.temporary) as engine:
        table = engine.arrow(f"select {cells} from {source} order by file_row_number")
    rows = events.split.holdout
    columns = zip(conditions, table.columns, strict=True)
    return {name: np.asarray(column.to_numpy(), bool)[rows] for name, column in columns}
