"""Which predictions a label goes to: all rows of its request, or the one that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_cli.monitoring.collected.recorded import Recorded
from mlops_cli.tables.base import Engine, literal, quote


class Rows(Protocol):
    """Some rows of a store, or all of them."""

    def relation(self) -> str:
        """The rows, as SQL that stands in a FROM clause."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Of some labels: the predictions that have one of them, and the labels that no one has."""

    predictions: int
    waiting: int


def count_matches(
    engine: Engine, predictions: Recorded, labels: Rows, *, keys: Sequence[str]
) -> Matches:
    """Hold some labels to the predictions that were collected.

    `keys` are the columns of `data.id` by which the labels name rows; without any they name
    requests, whose ids need not be unique.
    """
    found = labels.relation()
    if not predictions.days():
        ((waiting,),) = engine.rows(f"select count(*) from {found}")
        return Matches(0, waiting)
    same = "p.request_id = l.request_id and (l.row is null or l.row = p.row)"
    if keys:
        paths = [literal(f"$.{quote(key)}") for key in keys]
        text = "json_extract_string({}.id, {})"
        same = " and ".join(f"{text.format('p', x)} = {text.format('l', x)}" for x in paths)
    said = predictions.relation()
    ((rows, waiting),) = engine.rows(
        f"select (select count(*) from {said} p semi join {found} l on {same}), "
        f"(select count(*) from {found} l anti join {said} p on {same})"
    )
    return Matches(rows, waiting)


def reached(engine: Engine, predictions: Rows, labels: Rows, *, ids: Sequence[str]) -> bool:
    """Whether any of the labels goes to one of the predictions."""
    same = ["l.request_id = p.request_id"]
    if ids:
        paths = [literal(f"$.{quote(name)}") for name in ids]
        text = "json_extract_string({}.id, {})"
        keys = (f"{text.format('p', x)} = {text.format('l', x)}" for x in paths)
        same.append(" and ".join(("l.request_id is null", *keys)))
    return any(
        engine.rows(
            f"select 1 from {labels.relation()} l semi join {predictions.relation()} p "
            f"on {on} limit 1"
        )
        for on in same
    )


def labelled(predictions: Rows, labels: Rows | None, *, ids: Sequence[str] = ()) -> str:
    """The predictions with what came of them, as SQL that stands in a FROM clause.

    Its columns are those of `predictions`, of which there must be some, and `label` (text) and
    `label_time`, both null where none has come (`labels`: None where there is no label at all).
    Labels may come late, more than once and corrected: all are kept, and of those that go to a row
    the last by time counts, and of one time the one that was received last. `ids` are the columns
    of `data.id`.
    """
    found = predictions.relation()
    if labels is None:
        return f"(select *, null::varchar as label, null::timestamp as label_time from {found})"
    latest = "max({'time': time, 'received': received, 'label': label}) as last"
    joins = {
        "r": (
            f"select request_id, row, {latest} from l where row is not null group by all",
            "r.request_id = p.request_id and r.row = p.row",
        ),
        "w": (
            f"select request_id, {latest} from l where row is null group by all",
            "w.request_id = p.request_id",
        ),
    }
    if ids:
        paths = [literal(f"$.{quote(name)}") for name in ids]
        texts = [f"json_extract_string(id, {path})" for path in paths]
        keys = ", ".join(f"{text} as k{i}" for i, text in enumerate(texts))
        of_row = (f"json_extract_string(p.id, {path})" for path in paths)
        joins["k"] = (
            f"select {keys}, {latest} from l where request_id is null group by all",
            " and ".join(f"k.k{i} = {text}" for i, text in enumerate(of_row)),
        )
    joined = " ".join(f"left join ({sql}) {name} on {on}" for name, (sql, on) in joins.items())
    last = f"greatest({', '.join(f'{name}.last' for name in joins)})"
    return (
        f"(with l as materialized (from {labels.relation()}), "
        f"j as (select p.*, {last} as last from {found} p {joined}) "
        "select * exclude (last), last.label as label, last.time as label_time from j)"
    )
