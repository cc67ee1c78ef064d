"""The command `ingest`: what is new in the table's source, each row once, into data/raw/NAME."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli._files import write_bytes
from mlops_cli._locks import locked
from mlops_cli.actions.online import materialize
from mlops_cli.config.paths import REJECTS
from mlops_cli.config.project import Project
from mlops_cli.contracts.evolution import refuse_columns, refuse_evolution
from mlops_cli.contracts.model import load_contract
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.pipeline.kept import keep_again
from mlops_cli.progress import QUIET, Progress
from mlops_cli.sources import open_source
from mlops_cli.sources.arrivals import Arrivals, Table, arrivals
from mlops_cli.sources.base import Landed, Part, Report, Span
from mlops_cli.sources.landing import Landing
from mlops_cli.tables import open_engine

_PAUSE = 10.0  # seconds between two looks of `follow`


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What landed now: rows and files; `total` are the rows of the table as it stands.

    `rejected` records could not be read, and stand in `rejects`; `removed` files went, since their
    source did or since they were asked for anew. Of the new rows `repeated` have the
    `data.id.event` of another one, and `late` are of an earlier `data.time` than the newest that
    had landed (None: no such column is named); both are in the table. `missed` rows lie at or
    below the watermark and were not brought; `deleted` ones are gone from the source, or their
    keys are.
    """

    table: str
    rows: int
    files: tuple[str, ...]
    removed: int
    total: int
    rejected: int
    rejects: str | None
    remarks: tuple[str, ...]
    repeated: int | None
    late: int | None
    missed: int
    deleted: int


def ingest(
    project: Project,
    *,
    since: str | None = None,
    until: str | None = None,
    follow: bool = False,
    progress: Progress = QUIET,
) -> IngestResult:
    """Bring what the source has beyond what landed, and put the folder under DVC.

    A part is there whole or not at all, with how far it goes: one that is killed goes on where it
    was, and with nothing new nothing is written. `since` brings again what is from there on,
    `until` stops there; both are values of the watermark, or moments of a topic. `follow` looks
    again until it is interrupted. Raises `UsageError` where the table is a file, `EnvironmentFault`
    for a source that does not answer, `DataError` for rows that do not fit those that landed.
    """
    if project.config.data.source is None:
        raise UsageError(
            f"{project.config.data.table} is a file of the project: nothing is to be ingested",
            hint="data.table may be a folder, a URL, a query, a Delta table or a topic",
        )
    found = _materialized(project, _once(project, Span(since, until), progress), progress)
    while follow:
        time.sleep(_PAUSE)
        again = _materialized(project, _once(project, Span(None, until), progress), progress)
        if again.rows:
            progress.log(f"{again.rows} rows, {again.total} in all")
        found = again
    return found


def _materialized(project: Project, found: IngestResult, progress: Progress) -> IngestResult:
    """Have what landed in the online store, too, where features of that table are looked up.

    What landed has landed, whether or not that store can be had: the next time repairs it.
    """
    asked = project.config.features.looked_up_tables
    if not (found.rows or found.removed) or found.table not in asked:
        return found
    if not (project.root / project.contracts[found.table]).is_file():
        return found  # no run has seen the table yet
    try:
        filled = materialize(project, progress=progress)
        said = f"{filled.store}: {filled.changed} buckets changed"
    except MlopsError as e:
        said = f"the online store is as it was: {e.message}"
        progress.log(f"warning: {said}")
    return replace(found, remarks=(*found.remarks, said))


def _once(project: Project, span: Span, progress: Progress) -> IngestResult:
    data = project.config.data
    source = data.source
    if source is None:
        raise UsageError(f"{data.table} is a file", hint="see data.table")
    busy = EnvironmentFault(f"another process ingests {data.table}", hint="try again")
    with locked(lock_of_ingest(project), otherwise=busy):
        progress.update(f"reading {data.name}")
        landing, report = Landing(project.root / data.table), Report()
        with closing(open_source(source, project.root)) as opened:
            gone = opened.obsolete(landing.landed(), span)
            for number in gone:
                landing.remove(number)
            new = []
            for part in opened.parts(landing.landed(), landing.schema(), span, report):
                if (written := _land(project, landing, part, report)) is not None:
                    new.append(written)
                    progress.update(f"{sum(p.rows for p in new)} rows of {data.name}")
        if not any(part.rows for part in landing.landed()):
            raise UsageError(f"{data.name}: the source has no row", hint="see data.table")
        if new or gone:
            keep_again(project, data.table, progress)
        return _result(project, landing, new, report, removed=len(gone))


def _land(project: Project, landing: Landing, part: Part, report: Report) -> Landed | None:
    """Let a part land, if it has something; records that could not be read stand aside before."""
    written = landing.write(part, landing.schema())
    _set_aside(project, report.rejected)
    if written is not None:
        try:
            _hold_to_contract(project, landing, written)
        except MlopsError:
            landing.discard(written)
            raise
        report.remarks.extend(_told_columns(landing.landed(), written))
        landing.commit(written)
    return written


def _result(
    project: Project, landing: Landing, new: Sequence[Landed], report: Report, *, removed: int
) -> IngestResult:
    table = project.config.data.table
    came = _arrivals(project, landing, new)
    remarks = [
        *report.remarks,
        *map(_told_cut, landing.cut.items()),
        *_told_arrivals(project, came),
    ]
    return IngestResult(
        table=table,
        rows=sum(part.rows for part in new),
        files=tuple(f"{table}/{part.number:06d}.parquet" for part in new),
        removed=removed,
        total=sum(part.rows for part in landing.landed()),
        rejected=len(report.rejected),
        rejects=_rejects(project) if report.rejected else None,
        remarks=tuple(dict.fromkeys(remarks)),
        repeated=came.repeated,
        late=came.late,
        missed=report.late,
        deleted=report.deleted,
    )


def _arrivals(project: Project, landing: Landing, new: Sequence[Landed]) -> Arrivals:
    """Which of the new rows came twice or late."""
    data, file = project.config.data, project.root / project.config.contract
    if not any(part.rows for part in new) or not (data.id.event or data.time):
        return Arrivals(0 if data.id.event else None, 0 if data.time else None)
    forms = load_contract(file).forms if file.is_file() else {}
    table = Table(project.root / data.table, landing.landed(), data.id.event, data.time, forms)
    with open_engine(temporary=project.temporary) as engine:
        return arrivals(engine, table, {part.number for part in new})


def _told_arrivals(project: Project, came: Arrivals) -> Iterator[str]:
    if came.repeated:
        named = ", ".join(project.config.data.id.event)
        yield (
            f"{came.repeated} rows repeat the {named} of another one and are in the table, too: "
            f"`unique: [[{named}]]` in its contract sets the later ones aside"
        )
    if came.late:
        yield (
            f"{came.late} rows are of moments before the newest that had landed: they stand behind "
            "all others"
        )


def _told_columns(landed: Sequence[Landed], part: Landed) -> Iterator[str]:
    """Which columns came and went, beside the part before."""
    every = [p.columns for p in landed if p.columns and p.rows]
    after = part.columns or {}
    if not every or not part.rows:
        return
    before, known = every[-1], {name for columns in every for name in columns}
    if new := [name for name in after if name not in known]:
        yield f"columns that are new, and null in the rows before: {', '.join(new)}"[:300]
    if gone := [name for name in before if name not in after]:
        yield f"columns that are gone, and null from here on: {', '.join(gone)}"[:300]


def _told_cut(found: tuple[str, int]) -> str:
    column, moments = found
    return (
        f"{moments} moments of {column!r} are finer than a microsecond and were cut: those that "
        "differ by less are equal now, so let another column decide their order"
    )


def _hold_to_contract(project: Project, landing: Landing, part: Landed) -> None:
    """Refuse a part whose columns break the compatibility that the table's contract asks."""
    file = project.root / project.config.contract
    landed = landing.landed()
    if after := part.mark.get("schemas"):  # of a source that has schemas of its own
        before = landed[-1].mark.get("schemas", {}) if landed else {}
        mode = load_contract(file).compatibility if file.is_file() else "BACKWARD"
        refuse_evolution(file.stem, mode, before, after)
    elif file.is_file() and part.rows:
        told = [p.columns for p in landed if p.columns and p.rows]
        refuse_columns(load_contract(file), file.stem, told, part.columns or {})


def lock_of_ingest(project: Project) -> Path:
    """The file that whoever writes the ingested table holds."""
    return project.cache / "ingest" / f"{project.config.data.name}.lock"


def _rejects(project: Project) -> str:
    return f"{REJECTS}/{project.config.data.name}.ndjson"


def _set_aside(project: Project, records: Iterable[Mapping[str, Any]]) -> None:
    """Add records to those that were set aside, each once, before the part that counts them."""
    new = [msgspec.json.encode(dict(record)) for record in records]
    if not new:
        return
    file: Path = project.root / _rejects(project)
    file.parent.mkdir(parents=True, exist_ok=True)
    known = file.read_bytes().splitlines() if file.is_file() else []
    lines = dict.fromkeys([*known, *new])
    if len(lines) > len(known):
        write_bytes(file, b"".join(line + b"\n" for line in lines))
