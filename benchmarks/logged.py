"""A project whose model answered many rows: the tables, the segment of the log, what came of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.data import small_project, table
from benchmarks.measure import program, run

TRAINED = 100_000
_NUMBERS = tuple(f"((hash(i * 20 + {j}) % 100000) / 1000.0)" for j in range(17))
_TEXTS = (5, 20, 60)
_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Log:
    """`reference` and `current` are tables with `probability`, `label` and `y`; `segment` the
    log's lines of `current`, a day of which is collected in `project`, with its labels."""

    project: Path
    reference: Path
    current: Path
    segment: Path


def watched(work: Path, name: str, rows: int) -> Log:
    """A project with so many rows of a day, predicted by its model and collected."""
    trained = table(work, "monitor_trained", _sql(0, TRAINED))
    project = small_project(work / f"{name}_project", trained, "y")
    asked = table(work, f"monitor_asked_{rows}", _sql(TRAINED, rows))
    log = Log(project, project / "reference.parquet", project / "current.parquet",
              project / "segment.ndjson")  # fmt: skip
    if not log.segment.exists():
        for source, scored in ((trained, log.reference), (asked, log.current)):
            run([program("mlops"), "score", str(source), str(scored)], project)
        _write_segment(log, rows)
    if not (project / "monitoring/predictions").exists():
        run([program("mlops"), "collect", "--from", str(log.segment)], project)
        run([program("mlops"), "labels", "add", str(project / "labels.csv")], project)
    return log


def spread(log: Log, days: int) -> None:
    """The day that was collected, on so many days in a row; labels stay those of the first."""
    folder = log.project / "monitoring/predictions"
    (first,) = sorted(folder.glob("date=*"))[:1]
    with duckdb.connect() as connection:
        for day in range(1, days):
            made = folder / f"date=2026-03-{2 + day:02}"
            if made.exists():
                continue
            temporary = folder.with_name("spreading")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            connection.execute(
                f"copy (select * replace (time + interval '{day} days' as time, "
                f"'d{day}-' || request_id as request_id, 'd{day}-' || segment as segment) "
                f"from '{first}/*.parquet') to '{temporary}/0001.parquet' "
                "(format parquet, compression zstd)"
            )
            temporary.rename(made)


def _sql(start: int, rows: int) -> str:
    numbers = [f"{sql} as n{j}" for j, sql in enumerate(_NUMBERS)]
    texts = [f"'text ' || hash(i + {30 + j}) % {n} as t{j}" for j, n in enumerate(_TEXTS)]
    target = "(n0 + n1 + hash(-1 - i) % 100 > 150)::integer as y"
    inner = f"select i, {', '.join([*numbers, *texts])} from range({start}, {start + rows}) t(i)"
    return f"select * exclude i, {target} from ({inner})"


def _write_segment(log: Log, rows: int) -> None:
    manifest = json.loads((log.project / "model/manifest.json").read_bytes())
    names = [column["name"] for column in manifest["inputs"]]
    inputs = ", ".join(f"'{name}': {name}" for name in names)
    version = run([program("mlops"), "status", "--json"], log.project)
    digest = version.said["result"]["champion"]["version"]
    numbered = f"(select *, row_number() over () - 1 as i from '{log.current}')"
    moment = f"strftime(timestamp '2026-03-02' + to_microseconds((i * {_SECONDS}000000 // {rows})"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select {moment}::bigint), '%Y-%m-%dT%H:%M:%S.%fZ') as time, 'r' || i as "
            f"request_id, 0 as row, map {{}} as id, 'monitor' as model, '{digest}' as version, "
            f"'champion' as variant, null as key, {{{inputs}}} as inputs, "
            "{'probability': probability, 'label': label} as prediction, 0.5 as ms "
            f"from {numbered} order by i) to '{log.segment}' (format json)"
        )
        connection.execute(
            f"copy (select 'r' || i as request_id, y as label, '2026-03-03T00:00:00Z' as time "
            f"from {numbered} order by i) to '{log.project}/labels.csv' (header)"
        )
