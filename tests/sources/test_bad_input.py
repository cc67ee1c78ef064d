"""Sources that fail while they are read, and rows that a store would change without a word."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from mlops_cli.config.sections.source import DeltaSource, SqlSource
from mlops_cli.errors import DataError, EnvironmentFault, MlopsError
from mlops_cli.sources import open_source
from mlops_cli.sources.base import Part, Report, Source, Span
from postgres import Postgres, postgres

ROWS = 300_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    text = "project: p\ntask: binary\ndata: {table: in, name: events, target: y}\n"
    (tmp_path / "mlops.yaml").write_text(text)
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"id": [1, 2], "y": [0, 1]}), tmp_path / "in/a.parquet")
    return tmp_path


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    with postgres() as found:
        with psycopg.connect(found.url, autocommit=True) as session:
            session.execute(
                "create table e as select i as id, i % 2 as y, repeat('x', 100) as t "
                f"from generate_series(1, {ROWS}) i"
            )
            session.execute("create role ann login password 'right-word'")
        access = found.folder / "data/pg_hba.conf"
        access.write_text(f"host all ann 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
        with psycopg.connect(found.url, autocommit=True) as session:
            session.execute("select pg_reload_conf()")
        yield found


def _part(source: Source) -> Part:
    return next(iter(source.parts([], None, Span(), Report())))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_file_that_goes_while_it_is_read_is_a_fault_of_its_place(root: Path, ending: str) -> None:
    (root / "in/a.parquet").unlink()
    file = root / f"in/a.{ending}"
    file.write_text('{"id": 1}\n' if ending == "jsonl" else "id\n1\n")
    part = _part(open_source("in", root))
    file.unlink()
    with pytest.raises(EnvironmentFault, match=f"in/a.{ending} is gone since it was listed"):
        list(part.batches)


@pytest.mark.parametrize("name", ["b.parquet", "b.csv.gz"])
def test_a_truncated_file_is_named_and_leaves_what_landed(
    root: Path, mlops: Mlops, name: str
) -> None:
    whole = (root / "in/a.parquet").read_bytes()
    if name.endswith("gz"):
        whole = gzip.compress(b"id,y\n" + b"".join(b"%d,0\n" % i for i in range(5000)))
    (root / "in" / name).write_bytes(whole[: len(whole) // 2])
    assert name in mlops(root, "ingest", code=3).err
    landed = [p.name for p in (root / "data/raw").rglob("*") if p.is_file()]
    assert landed == ["000001.parquet"]


def test_a_file_that_breaks_in_the_middle_leaves_no_part(root: Path, mlops: Mlops) -> None:
    file = root / "in/a.parquet"
    pq.write_table(pa.table({"id": range(10_000), "y": [0] * 10_000}), file, row_group_size=1000)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    file.write_bytes(bytes(content))
    assert "in/a.parquet cannot be read" in mlops(root, "ingest", code=3).err
    assert [p for p in (root / "data").rglob("*") if p.is_file()] == []


def test_nanoseconds_that_become_ties_are_told(root: Path, mlops: Mlops) -> None:
    second = 10**9
    moments = [second * 86_400, second * 86_400 + 1, second * 86_400 + 5_000]
    columns = {"id": [1, 2, 3], "y": [0, 1, 0], "at": pa.array(moments, pa.timestamp("ns"))}
    pq.write_table(pa.table(columns), root / "in/a.parquet")
    (said,) = mlops(root, "ingest", "--json", code=0).result["remarks"]
    assert said.startswith("1 moments of 'at' are finer than a microsecond and were cut")
    landed = pq.read_table(root / "data/raw/events/000001.parquet")["at"].to_pylist()
    assert landed[:2] == [datetime(1970, 1, 2)] * 2


def test_names_that_sql_takes_for_one_are_refused(root: Path, mlops: Mlops) -> None:
    pq.write_table(pa.table({"ID": [3], "y": [0]}), root / "in/b.parquet")
    assert "'id' and 'ID' are one name to SQL" in mlops(root, "ingest", code=3).err
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"])
    pq.write_table(twice, root / "in/b.parquet")
    assert "'id' and 'id' are one name to SQL" in mlops(root, "ingest", code=3).err


def test_a_delta_table_that_is_vacuumed_under_the_reader_is_told(tmp_path: Path) -> None:
    delta = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    lake = str(tmp_path / "lake")
    delta.write_deltalake(lake, pa.table({"id": [1, 2]}))
    part = _part(open_source(DeltaSource(delta="lake"), tmp_path))
    delta.write_deltalake(lake, pa.table({"id": [3]}), mode="overwrite")
    delta.DeltaTable(lake).vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(DataError, match="version 0 lacks a file, which a vacuum removed"):
        list(part.batches)


@contextmanager
def _read(
    database: Postgres, folder: Path, sql: str, login: str = "mlops"
) -> Iterator[Iterator[pa.RecordBatch]]:
    url = database.url.replace("mlops@", f"{login}@")
    with closing(open_source(SqlSource(sql=sql, url=url), folder)) as source:
        yield _part(source).batches


def test_a_wrong_password_is_told_and_not_shown(database: Postgres, tmp_path: Path) -> None:
    with _read(database, tmp_path, "select 1 as y", "ann:right-word") as batches:
        assert [b.to_pylist() for b in batches] == [[{"y": 1}]]
    with (
        pytest.raises(EnvironmentFault, match="password authentication failed") as told,
        _read(database, tmp_path, "select 1 as y", "ann:wrong-word"),
    ):
        pass
    assert "wrong-word" not in f"{told.value.message}{told.value.hint}"


@pytest.mark.parametrize(
    "sql",
    ["delete from e returning *", "select 1 as y; drop table e", "create table f as select 1 as y"],
)
def test_a_query_that_writes_is_refused_by_the_database(
    database: Postgres, tmp_path: Path, sql: str
) -> None:
    with (
        pytest.raises(MlopsError, match="refuses the query"),
        _read(database, tmp_path, sql) as batches,
    ):
        list(batches)
    with _read(database, tmp_path, "select count(*) as n from e") as batches:
        assert [b.to_pylist() for b in batches] == [[{"n": ROWS}]]


def test_a_database_that_goes_in_mid_read_is_told(database: Postgres, tmp_path: Path) -> None:
    with _read(database, tmp_path, "select * from e") as batches:
        assert next(batches).num_rows
        database.stop()
        try:
            with pytest.raises(EnvironmentFault, match="the database went away"):
                list(batches)
        finally:
            database.start()
