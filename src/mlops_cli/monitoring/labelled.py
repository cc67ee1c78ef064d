"""Which predictions a label goes to: all rows of its request, or the one that it names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_cli.monitoring.recorded import SEGMENT, Recorded
from mlops_cli.tables.base import Engine, literal, quote


@dataclass(frozen=True, slots=True)
class Matches:
    """Of some labels: the predictions that have one of them, and the labels that no one has."""

    predictions: int
    waiting: int


def count_matches(
    engine: Engine, predictions: Recorded, labels: Recorded, *, segment: str, keys: Sequence[str]
) -> Matches:
    """Hold the labels of a segment to the predictions that were collected.

    `keys` are the columns of `data.id` by which the labels name rows; without any they name
    requests, whose ids need not be unique.
    """
    chosen = f"(select * from {labels.relation()} where {SEGMENT} = {literal(segment)})"
    if not predictions.days():
        ((waiting,),) = engine.rows(f"select count(*) from {chosen}")
        return Matches(0, waiting)
    same = "p.request_id = l.request_id and (l.row is null or l.row = p.row)"
    if keys:
        paths = [literal(f"$.{quote(key)}") for key in keys]
        text = "json_extract_string({}.id, {})"
        same = " and ".join(f"{text.format('p', x)} = {text.format('l', x)}" for x in paths)
    matched = f"{chosen} l join {predictions.relation()} p on {same}"
    unmatched = f"not exists (select 1 from {predictions.relation()} p where {same})"
    ((rows, waiting),) = engine.rows(
        f"select (select count(*) from (select distinct p.segment, p.request_id, p.row "
        f"from {matched})), (select count(*) from {chosen} l where {unmatched})"
    )
    return Matches(rows, waiting)
