"""The log, the labels and the KPIs as a table of units: what each had before, and in the time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from mlops_cli.bundle.manifest import Manifest, class_key
from mlops_cli.experiments.arms import Arms
from mlops_cli.experiments.kpi import BEFORE, Kpi
from mlops_cli.monitoring.collected.labelled import labelled
from mlops_cli.monitoring.collected.traffic import Selection, Traffic
from mlops_cli.monitoring.windows.grid import Stretch
from mlops_cli.tables.base import Engine, literal, quote

CLIP = 0.001  # of a probability in the log loss: a failure of the model counts as that far off
_PREFIX = "kpi:"
_MIXED = "max(candidate::integer) <> min(candidate::integer)"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is read of the units: by `unit` (inputs; empty: each request is one), with `segments`.

    `span` is the time of the experiment. `manifest` tells what predictions and labels are; None
    where no bundle is to be had.
    """

    span: Stretch
    unit: tuple[str, ...]
    segments: tuple[str, ...]
    manifest: Manifest | None
    kpi: Kpi | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The columns by which labels may name a row."""
        return self.manifest.id if self.manifest is not None else ()

    def values(self) -> dict[str, str]:
        """SQL of each value that a row has, by name."""
        found = _logged(self.manifest)
        if self.kpi is not None and self.kpi.by != "subject":
            found |= {n: quote(_PREFIX + n) for n in (*self.kpi.metrics, *self.kpi.before)}
        return found


def read_units(
    engine: Engine, traffic: Traffic, arms: Arms, before: Selection | None, asked: Asked
) -> pa.Table:
    """A row for each unit and step, in the order in which they came.

    `stratum`, `unit` (text), `candidate` (null where it met both arms), `rows`; of each value of a
    row `NAME:sum` and `NAME:count`, and the same of the time `before` as `NAME:sum_before` and
    `NAME:count_before`; of each value of a subject `NAME:value`, `NAME:before` and `NAME:n` (how
    many rows of the file); and `segment:NAME`.
    """
    kpi, names = asked.kpi, list(asked.values())
    by_subject = kpi is not None and kpi.by == "subject"  # what it brought is not told by step
    segments = [
        f"arg_min({_text(name)}, (time, row)) as {quote(f'segment:{name}')}"
        for name in asked.segments
    ]
    parts = {
        "u": f"select {'min(stratum) as ' if by_subject else ''}stratum, unit, "
        f"case when {_MIXED} then null else any_value(candidate) end as candidate, "
        f"count(*) as rows, min(time) as first, {', '.join((*_sums(names), *segments))} "
        f"from {_valued(traffic, arms.relation, 'stratum, candidate, ', asked)} "
        f"group by {'' if by_subject else 'stratum, '}unit"
    }
    if before is not None and asked.unit:
        parts["b"] = (
            f"select unit, {', '.join(_sums(names, '_before'))} "
            f"from {_valued(traffic, before.sql, '', asked)} group by unit"
        )
    if kpi is not None and by_subject:
        parts["k"] = _of_subjects(kpi, asked.span)
    made = ", ".join(f"{name} as materialized ({sql})" for name, sql in parts.items())
    more = "".join(f", {name}.* exclude (unit)" for name in parts if name != "u")
    joins = "".join(f" left join {name} on {name}.unit = u.unit" for name in parts if name != "u")
    return engine.arrow(
        f"with {made} select u.*{more} from u{joins} order by u.first, u.unit, u.stratum"
    )


def unit_sql(unit: Sequence[str], place: str = "inputs") -> str:
    """The text of a unit: its values, or null where a row has none of them."""
    parts = [f"json_extract_string({place}, {literal(f'$.{quote(name)}')})" for name in unit]
    texts = ", ".join(f"coalesce({part}, '')" for part in parts)
    return (
        f"case when coalesce({', '.join(parts)}) is not null then concat_ws(chr(31), {texts}) end"
    )


def key_sql(kpi: Kpi) -> str:
    """The same of a row of the file."""
    return f"concat_ws(chr(31), {', '.join(f'k{i}' for i in range(len(kpi.keys)))})"


def _sums(names: Sequence[str], when: str = "") -> Iterator[str]:
    for name in names:
        yield f"sum({quote(name)}) as {quote(f'{name}:sum{when}')}"
        yield f"count({quote(name)}) as {quote(f'{name}:count{when}')}"


def _text(name: str) -> str:
    path = literal(f"$.{quote(name)}")
    return f"coalesce(json_extract_string(inputs, {path}), json_extract_string(id, {path}))"


def _valued(traffic: Traffic, rows: str, more: str, asked: Asked) -> str:
    """The rows with the unit of each and its values, also those of a file by request or event."""
    selected = Selection(rows)
    found = labelled(selected, traffic.labels_for(selected), ids=asked.ids)
    kpi = asked.kpi
    if kpi is not None and kpi.by == "request":
        found = (
            f"(select p.*, {_prefixed(kpi)} from {found} p left join {kpi.relation} k "
            "on p.request_id = k.k0 and p.row = coalesce(k.place, 0))"
        )
    elif kpi is not None and kpi.by == "event":
        # An event that was asked twice brought what it brought once: to the first of them.
        event = unit_sql(kpi.keys, "id")
        first = f"row_number() over (partition by {event} order by time, row) = 1"
        found = (
            f"(select p.*, {_prefixed(kpi)} from (select *, {event} as __event__, {first} as "
            f"__first__ from {found}) p left join (select *, {key_sql(kpi)} as __event__ from "
            f"{kpi.relation}) k on p.__event__ = k.__event__ and p.__first__)"
        )
    unit = f"coalesce({unit_sql(asked.unit)}, request_id)" if asked.unit else "request_id"
    values = "".join(f", {sql} as {quote(name)}" for name, sql in asked.values().items())
    return f"(select time, row, inputs, id, {more}{unit} as unit{values} from {found})"


def _prefixed(kpi: Kpi) -> str:
    names = (*kpi.metrics, *kpi.before)
    return ", ".join(f"k.{quote(n)} as {quote(_PREFIX + n)}" for n in names)


def _of_subjects(kpi: Kpi, span: Stretch) -> str:
    """What each subject brought: of a file with times, from when it first met an arm."""
    of_file = f"(select *, {key_sql(kpi)} as unit from {kpi.relation})"
    within = f"moment >= u.first and moment < {moment_sql(span.end)}"
    each: list[str] = []
    for n in kpi.metrics:
        column = quote(n)
        had = quote(n + BEFORE) if n + BEFORE in kpi.before else "null"
        if kpi.timed:
            value = f"coalesce(sum({column}) filter ({within}), 0)"
            past = f"sum({column}) filter (moment < {moment_sql(span.start)})"
            count = f"count({column}) filter ({within})"
        else:
            value, past = f"any_value({column})", f"any_value({had})::double"
            count = f"count({column})"
        each += [
            f"{value}::double as {quote(f'{n}:value')}",
            f"{past} as {quote(f'{n}:before')}",
            f"{count} as {quote(f'{n}:n')}",
        ]
    joined = f"u join {of_file} f on f.unit = u.unit"
    return f"select u.unit, {', '.join(each)} from {joined} group by u.unit"


def moment_sql(moment: datetime) -> str:
    """A moment as SQL, in UTC without a zone as the log has it."""
    return f"timestamp '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def _logged(manifest: Manifest | None) -> dict[str, str]:
    """What the log and the labels tell of a row."""
    found = {
        "error_rate": "(error is not null)::double",
        "latency_ms": "case when row = 0 then ms end",  # of the whole request
    }
    if manifest is None:
        return found
    failed = "error is not null and label is not null"
    if manifest.task == "regression":
        value = _number("$.value")
        truth = "try_cast(label as double)"
        return found | {
            "prediction_mean": value,
            "label": f"abs({value} - {truth})",
            "outcome": truth,
        }
    keys = [literal(class_key(c)) for c in manifest.classes or ()]
    if manifest.task == "binary":
        p = _number("$.probability")
        own = f"case label when {keys[1]} then {p} when {keys[0]} then 1 - {p} end"
        outcome = {
            "prediction_mean": p,
            "outcome": f"case label when {keys[1]} then 1.0 when {keys[0]} then 0.0 end",
        }
    else:
        path = "'$.probabilities.\"' || label || '\"'"
        own = f"try_cast(json_extract_string(prediction, {path}) as double)"
        outcome = {}
    clipped = f"least(greatest({own}, {CLIP}), {1 - CLIP})"  # neither of which minds a null
    loss = f"case when {failed} then -ln({CLIP}) when {own} is not null then -ln({clipped}) end"
    return found | outcome | {"label": loss}


def _number(path: str) -> str:
    return f"try_cast(json_extract_string(prediction, {literal(path)}) as double)"


def fingerprint_sql(traffic: Traffic, arms: Arms) -> str:
    """A query whose result is another one where rows, their arms or their labels are."""
    rows = Selection(arms.relation)
    found = labelled(rows, traffic.labels_for(rows))
    hashed = "hash(request_id, row, time, version, candidate, prediction, label)"
    return f"select count(*), bit_xor({hashed}) from {found}"


def matched_sql(kpi: Kpi, arms: Arms, before: Selection | None, asked: Asked) -> tuple[str, str]:
    """How many rows of a file are of a unit that the log has, with an example of the others.

    And the log's own keys (`key`), as SQL that stands in a FROM clause.
    """
    key = {
        "request": "request_id",
        "event": unit_sql(kpi.keys, "id"),
        "subject": unit_sql(asked.unit) if asked.unit else "request_id",
    }[kpi.by]
    tables = [arms.relation] + ([before.sql] if before is not None else [])
    seen = " union ".join(f"select distinct {key} as key from {table}" for table in tables)
    ours = f"(select {key_sql(kpi)} as key from {kpi.relation})"
    known = f"key in (select key from ({seen}))"
    return (
        f"select count(*) filter ({known}), any_value(key) filter (not {known}) from {ours}",
        f"({seen})",
    )
