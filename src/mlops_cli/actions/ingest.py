"""The command `ingest`: what is new in the table's source, each row once, into data/raw/NAME."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
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
from mlops_cli.contracts.evolution import refuse_evolution
from mlops_cli.contracts.model import load_contract
from mlops_cli.errors import EnvironmentFault, MlopsError, UsageError
from mlops_cli.pipeline.kept import keep_again
from mlops_cli.progress import QUIET, Progress
from mlops_cli.sources import open_source
from mlops_cli.sources.base import Landed, Report, Span
from mlops_cli.sources.landing import Landing

_PAUSE = 10.0  # seconds between two looks of `follow`


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What landed now: rows and files; `total` are the rows of the table as it stands.

    `rejected` records could not be read, and stand in `rejects`; `removed` files went, since their
    source did or since they were asked for anew.
    """

    table: str
    rows: int
    files: tuple[str, ...]
    removed: int
    total: int
    rejected: int
    rejects: str | None
    remarks: tuple[str, ...]


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
            parts = opened.parts(landing.landed(), landing.schema(), span, report)
            new = []
            for part in parts:
                written = landing.write(part, landing.schema())
                _set_aside(project, report.rejected)
                if written is not None:
                    _hold_to_contract(project, landing, written)
                    landing.commit(written)
                    new.append(written)
                    progress.update(f"{sum(p.rows for p in new)} rows of {data.name}")
        report.remarks.extend(map(_told_cut, landing.cut.items()))
        total = sum(part.rows for part in landing.landed())
        if not total:
            raise UsageError(f"{data.name}: the source has no row", hint="see data.table")
        if new or gone:
            keep_again(project, data.table, progress)
    return IngestResult(
        table=data.table,
        rows=sum(part.rows for part in new),
        files=tuple(f"{data.table}/{part.number:06d}.parquet" for part in new),
        removed=len(gone),
        total=total,
        rejected=len(report.rejected),
        rejects=_rejects(project) if report.rejected else None,
        remarks=tuple(report.remarks),
    )


def _told_cut(found: tuple[str, int]) -> str:
    column, moments = found
    return (
        f"{moments} moments of {column!r} are finer than a microsecond and were cut: those that "
        "differ by less are equal now, so let another column decide their order"
    )


def _hold_to_contract(project: Project, landing: Landing, part: Landed) -> None:
    """Refuse a part whose columns break the compatibility that the table's contract asks.

    Of a source that has a schema of its own: of others a type that changes is refused as it lands.
    """
    after = part.mark.get("schemas")
    if not after:
        return
    landed = landing.landed()
    before = landed[-1].mark.get("schemas", {}) if landed else {}
    file = project.root / project.config.contract
    mode = load_contract(file).compatibility if file.is_file() else "BACKWARD"
    refuse_evolution(file.stem, mode, before, after)


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
