"""A file of what units brought: a row for each request, event or subject, a column a metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_cli.config.sections.experiment import LOGGED
from mlops_cli.errors import DataError
from mlops_cli.tables.base import ROW, SOURCE, Column, Engine, quote

REQUEST, PLACE, TIME = "request_id", "row", "time"
BEFORE = "_before"
_NUMBERS = ("integer", "float", "boolean")
_HINT = "docs/guides/ab.md has the columns"


@dataclass(frozen=True, slots=True)
class Kpi:
    """A file that was read: `relation` has its keys, `place`, `moment` and the metrics.

    `keys` are the columns behind `k0`, `k1`, ... (text); `place` and `moment` are null where the
    file has no row or time. The metrics are doubles under their own names, those before the
    experiment as NAME_before.
    """

    by: Literal["request", "event", "subject"]
    keys: tuple[str, ...]
    metrics: tuple[str, ...]
    before: tuple[str, ...]
    timed: bool
    rows: int
    relation: str
    left_out: tuple[str, ...]


def read_kpi(
    engine: Engine,
    file: Path,
    *,
    sticky: Sequence[str],
    ids: Sequence[str],
    wanted: Sequence[str],
) -> Kpi:
    """Read a CSV or Parquet file of KPIs.

    It names requests (`request_id`, and `row` where there is one), subjects by all of `sticky`, or
    events by all of `ids`. `wanted` are columns that must be there. Raises `DataError` for a file
    that names none of them, lacks or repeats a key, or has no number where one must be.
    """
    columns = {c.name: c for c in engine.columns(file)}
    by, keys = _keys(file, columns, sticky, ids)
    own = {*keys, PLACE, TIME} if by != "event" else {*keys, TIME}
    if lacking := [name for name in wanted if name not in columns]:
        raise DataError(
            f"{file} has no column `{lacking[0]}`, which ab in mlops.yaml names",
            hint=f"it has {', '.join(list(columns)[:20])}",
        )
    numbers = [n for n, c in columns.items() if n not in own and c.type in _NUMBERS]
    texts = [n for n in columns if n not in own and n not in numbers]
    if taken := [n for n in numbers if n in LOGGED]:
        raise DataError(
            f"{file}: `{taken[0]}` is a metric of the log and the labels",
            hint="give the column another name",
        )
    if bad := [n for n in texts if n in wanted or not numbers]:
        raise _no_number(engine, file, bad[0])
    if not numbers:
        raise DataError(f"{file} has no column beside its keys: nothing to compare", hint=_HINT)
    timed = TIME in columns and by == "subject"
    relation = _relation(engine, file, keys, numbers, columns, timed=timed, by=by)
    _check(engine, file, keys, numbers, relation, timed=timed)
    ((rows,),) = engine.rows(f"select count(*) from {relation}")
    metrics = [
        n for n in numbers if not n.endswith(BEFORE) or n.removesuffix(BEFORE) not in columns
    ]
    return Kpi(
        by=by,
        keys=keys,
        metrics=tuple(metrics),
        before=tuple(n for n in numbers if n not in metrics),
        timed=timed,
        rows=rows,
        relation=relation,
        left_out=tuple(texts),
    )


def _keys(
    file: Path, columns: dict[str, Column], sticky: Sequence[str], ids: Sequence[str]
) -> tuple[Literal["request", "event", "subject"], tuple[str, ...]]:
    if REQUEST in columns:
        return "request", (REQUEST,)
    if sticky and set(sticky) <= columns.keys():
        return "subject", tuple(sticky)
    if ids and set(ids) <= columns.keys():
        return "event", tuple(ids)
    known = [f"`{REQUEST}`"]
    known += [f"deploy.rollout.sticky ({', '.join(sticky)})"] if sticky else []
    known += [f"data.id ({', '.join(ids)})"] if ids else []
    without = "" if sticky else (
        "; whom a row is about can only be named where deploy.rollout.sticky keeps subjects in "
        "one arm"
    )  # fmt: skip
    raise DataError(f"{file} names no unit: it has no {', nor all of '.join(known)}", hint=(
        f"{_HINT}{without}"
    ))  # fmt: skip


def _relation(
    engine: Engine,
    file: Path,
    keys: Sequence[str],
    numbers: Sequence[str],
    columns: dict[str, Column],
    *,
    timed: bool,
    by: str,
) -> str:
    forms = dict.fromkeys(keys, "text") | {n: str(columns[n].type) for n in numbers}
    placed = by == "request" and PLACE in columns
    forms |= ({TIME: "timestamp"} if timed else {}) | ({PLACE: "integer"} if placed else {})
    table = engine.typed_with_source(file, forms)  # type: ignore[arg-type]  # each is a ValueType
    named = [f"{quote(name)} as k{i}" for i, name in enumerate(keys)]
    named.append(f"{quote(PLACE) if placed else 'null'}::integer as place")
    named.append(f"{quote(TIME) if timed else 'null'}::timestamp as moment")
    if timed:
        named.append(f"{quote(SOURCE + TIME)} as moment_source")
    named += [f"{quote(n)}::double as {quote(n)}" for n in numbers]
    named += [f"{quote(SOURCE + n)}::varchar as n{i}" for i, n in enumerate(numbers)]
    return f"(select {', '.join(named)}, {ROW} from {table})"


def _check(
    engine: Engine,
    file: Path,
    keys: Sequence[str],
    numbers: Sequence[str],
    relation: str,
    *,
    timed: bool,
) -> None:
    said = next(_faults(engine, keys, numbers, relation, timed=timed), None)
    if said is not None:
        raise DataError(f"{file}, {said}", hint=_HINT)


def _faults(
    engine: Engine, keys: Sequence[str], numbers: Sequence[str], relation: str, *, timed: bool
) -> Iterator[str]:
    for i, name in enumerate(keys):
        for (at,) in engine.rows(f"select min({ROW}) from {relation} where k{i} is null"):
            if at is not None:
                yield f"row {at + 1}: `{name}` is missing"
    if timed:
        for at, text in engine.rows(
            f"select {ROW}, moment_source::varchar from {relation} where moment is null "
            f"order by {ROW} limit 1"
        ):
            said = "missing" if text is None else f"{text[:40]!r}, which is no time"
            yield f"row {at + 1}: `{TIME}` is {said}"
    for i, name in enumerate(numbers):
        for at, text in engine.rows(
            f"select {ROW}, n{i} from {relation} where n{i} is not null and "
            f"({quote(name)} is null or not isfinite({quote(name)})) order by {ROW} limit 1"
        ):
            yield f"row {at + 1}: `{name}` is {text[:40]!r}, and a KPI is a finite number"
    names = [*(f"k{i}" for i in range(len(keys))), "place", "moment"]
    for *values, first, second in engine.rows(
        f"select {', '.join(names)}, min({ROW}), min({ROW}) filter ({ROW} > low) from ("
        f"select *, min({ROW}) over (partition by {', '.join(names)}) as low from {relation}) "
        f"group by {', '.join(names)} having count(*) > 1 order by min({ROW}) limit 1"
    ):
        named = ", ".join(
            f"{name} {str(value)[:40]}"
            for name, value in zip([*keys, PLACE, TIME], values, strict=True)
            if value is not None
        )
        yield (
            f"rows {first + 1} and {second + 1} are both of {named}: a unit counts once, and which "
            "of them holds is not told"
        )


def _no_number(engine: Engine, file: Path, name: str) -> DataError:
    table = engine.typed_with_source(file, {name: "float"})
    found = engine.rows(
        f"select {ROW}, {quote(SOURCE + name)}::varchar from {table} "
        f"where {quote(name)} is null and {quote(SOURCE + name)} is not null "
        f"order by {ROW} limit 1"
    )
    where = f", row {found[0][0] + 1}: `{name}` is {found[0][1][:40]!r}" if found else f": `{name}`"
    return DataError(f"{file}{where}, and a KPI is a number", hint=_HINT)
