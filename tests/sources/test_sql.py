"""Queries: rows by a watermark, each once; late ones are told; what does not answer is exit 8."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from mlops_cli.sources import sql as module
from mlops_cli.sources.base import PART_ROWS

pytest.importorskip("adbc_driver_sqlite", reason="the extra sql is not installed")
SECRET = "swordfish"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project on the table `t` of a SQLite file."""
    (tmp_path / "mlops.yaml").write_text(
        "project: lake\ntask: binary\n"
        "data: {table: {sql: select * from t, url: 'sqlite:///lake.db', watermark: n}, target: y}\n"
    )
    _execute(tmp_path, "create table t (n integer, y integer, s text)")
    _execute(tmp_path, "insert into t values (1, 0, 'a'), (3, 1, null), (3, 0, 'c')")
    return tmp_path


def _execute(root: Path, statement: str) -> None:
    with sqlite3.connect(root / "lake.db") as database:
        database.execute(statement)


def _rows(root: Path) -> list[tuple[int, str | None]]:
    parts = sorted((root / "data/raw/lake").glob("*.parquet"))
    return [(r["n"], r["s"]) for p in parts for r in pq.ParquetFile(p).read().to_pylist()]


def test_what_is_above_the_watermark_lands_once(root: Path, mlops: Mlops) -> None:
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 3
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
    _execute(root, "insert into t values (5, 1, 'e'), (2, 1, 'late'), (null, 1, 'none')")
    found = mlops(root, "ingest", "--json", code=0).result
    assert (found["rows"], found["total"]) == (1, 4)
    assert (found["missed"], found["deleted"], found["repeated"]) == (1, 0, None)
    assert any("1 rows came late" in r for r in found["remarks"])
    assert any("1 rows have no n" in r for r in found["remarks"])
    assert _rows(root) == [(1, "a"), (3, None), (3, "c"), (5, "e")]
    again = mlops(root, "ingest", "--since", "2", "--json", code=0).result
    assert again["removed"] == 2
    assert sorted(n for n, _ in _rows(root)) == [1, 2, 3, 3, 5]
    assert mlops(root, "ingest", "--json", code=0).result["remarks"] == [
        "1 rows have no n and are not brought"
    ]
    assert "is no int" in mlops(root, "ingest", "--since", "soon", code=2).err


def test_until_stops_and_the_next_goes_on(root: Path, mlops: Mlops) -> None:
    assert mlops(root, "ingest", "--until", "2", "--json", code=0).result["rows"] == 1
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 2


def test_rows_of_one_watermark_are_never_parted(
    root: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PART_ROWS > 100_000
    monkeypatch.setattr(module, "PART_ROWS", 3)
    values = ", ".join(f"({n // 4}, 1, '{n}')" for n in range(40, 80))
    _execute(root, "delete from t")
    _execute(root, f"insert into t values {values}")
    mlops(root, "ingest", code=0)
    parts = [
        {r["n"] for r in pq.ParquetFile(p).read().to_pylist()}
        for p in sorted((root / "data/raw/lake").glob("*.parquet"))
    ]
    assert len(parts) > 1
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert [s for _, s in _rows(root)] == [str(n) for n in range(40, 80)]


def test_without_a_watermark_all_rows_take_the_place_of_those_before(
    root: Path, mlops: Mlops
) -> None:
    text = (root / "mlops.yaml").read_text().replace(", watermark: n", "")
    (root / "mlops.yaml").write_text(text)
    mlops(root, "ingest", code=0)
    _execute(root, "delete from t where n = 3")
    found = mlops(root, "ingest", "--json", code=0).result
    assert (found["total"], _rows(root)) == (1, [(1, "a")])
    assert "data.table.watermark" in mlops(root, "ingest", "--since", "1", code=2).err


def test_a_query_that_is_refused_and_a_column_that_is_not_there(root: Path, mlops: Mlops) -> None:
    text = (root / "mlops.yaml").read_text()
    (root / "mlops.yaml").write_text(text.replace("from t,", "from nothing,"))
    assert "nothing" in mlops(root, "ingest", code=3).err
    (root / "mlops.yaml").write_text(text.replace("watermark: n", "watermark: m"))
    assert mlops(root, "ingest", code=None).code in (2, 3)
    (root / "mlops.yaml").write_text(text.replace("lake.db", "no.db"))
    assert "does not exist" in mlops(root, "ingest", code=8).err
    assert not (root / "data/raw/lake").exists()


def test_a_database_that_does_not_answer_is_told_without_the_password(
    root: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("adbc_driver_postgresql", reason="the extra postgres is not installed")
    text = (root / "mlops.yaml").read_text().replace("'sqlite:///lake.db'", "'${LAKE}'")
    (root / "mlops.yaml").write_text(text)
    monkeypatch.delenv("LAKE", raising=False)
    assert "needs the environment variable LAKE" in mlops(root, "ingest", code=2).err
    monkeypatch.setenv("LAKE", f"postgresql://ann:{SECRET}@127.0.0.1:9/lake")
    said = mlops(root, "ingest", code=8).said
    assert "does not answer" in said
    assert SECRET not in said
