"""A table of PostgreSQL into Parquet, against ADBC by hand."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from benchmarks.measure import Failed, Run, median, pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 3
ROWS = 10_000_000
SERVER = "MLOPS_BENCH_POSTGRES"
_TABLE = """create table if not exists ingested as
select i as id, i % 1000 as a, (hashint8(i) % 10000) / 100.0::float8 as b,
       (hashint8(i + 1) % 100000)::float8 as c, 'N' || (10000 + i % 90000) as tail,
       timestamp '2013-01-01' + i % 500000 * interval '1 minute' as at, i % 2 as y
from generate_series(1::bigint, {rows}) i"""
_QUERY = "select * from ingested"


def measure(work: Path) -> Line:
    """In turns; the server and its table are there before."""
    url = os.environ.get(SERVER)
    if url is None:
        raise Failed(f"{SERVER} names no database, such as postgresql://me@127.0.0.1:5432/bench")
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(_TABLE.format(rows=ROWS))  # the literal is ours
    project = work / "postgres"
    project.mkdir(exist_ok=True)
    (project / "mlops.yaml").write_text(
        "project: lake\ntask: binary\ndata:\n  name: ingested\n  target: y\n"
        f'  table: {{sql: "{_QUERY}", url: "${{{SERVER}}}", watermark: id}}\n',
        encoding="utf-8",
    )
    taken = pairs(lambda: _ours(project), lambda: _by_hand(project, url), PAIRS, warm=False)
    return Line(
        title="PostgreSQL, 10 M rows x 7 columns, into Parquet, against ADBC by hand",
        figures=(
            Figure("time", taken.ratio(work_seconds), "x", target=1.1, pairs=PAIRS),
            Figure(
                "peak memory",
                median(taken.ours, lambda r: r.peak) / 1e6,
                "MB",
                target=400,
                pairs=PAIRS,
            ),
        ),
        parts={"mlops ingest": work_parts(taken.ours), "ADBC by hand": work_parts(taken.theirs)},
        note="Ours reads by the watermark, which is an order by, and writes parts of a million "
        "rows, each with how far it goes; by hand one file, in the order that the table has. "
        "Both compress with zstd; both have the server on the same cores.",
    )


def _ours(project: Path) -> Run:
    return run(python("ours/ingest.py", project), project)


def _by_hand(project: Path, url: str) -> Run:
    return run(python("by_hand/adbc.py", url, _QUERY, project / "by_hand.parquet"), project)
