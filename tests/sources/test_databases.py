"""Databases beside PostgreSQL and SQLite: MariaDB by SQLAlchemy, DuckDB by its ADBC driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from mariadb import mariadb, needs_mariadb

pytest.importorskip("adbc_driver_manager", reason="the extra sql is not installed")
pytest.importorskip("sqlalchemy", reason="the extra sql is not installed")


def _project(root: Path, sql: str, watermark: str | None = "n") -> None:
    more = f", watermark: {watermark}" if watermark else ""
    (root / "mlops.yaml").write_text(
        "project: lake\ntask: binary\n"
        f"data: {{table: {{sql: \"{sql}\", url: '${{LAKE}}'{more}}}, target: y}}\n"
    )


def _rows(root: Path) -> list[dict[str, Any]]:
    parts = sorted((root / "data/raw/lake").glob("*.parquet"))
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


class TestMariaDb:
    """A real server."""

    pytestmark = needs_mariadb

    def test_rows_land_once_by_the_watermark_and_nothing_is_written(
        self, tmp_path: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with mariadb() as server:
            monkeypatch.setenv("LAKE", server.url)
            server.execute(
                "create table t (n bigint unsigned, y int, s varchar(9), d decimal(20, 4), "
                "at datetime(6), length time, b boolean); insert into t values "
                "(3, 1, null, null, null, null, null), "
                "(1, 0, 'ü', 1.25, '2013-01-01 05:00:00', '01:00:00', 1)"
            )
            _project(tmp_path, "select * from t")
            mlops(tmp_path, "ingest", code=0)
            first, second = _rows(tmp_path)
            assert {n: str(v) for n, v in first.items()} == {
                "n": "1", "y": "0", "s": "ü", "d": "1.25", "at": "2013-01-01 05:00:00",
                "length": "3600.0", "b": "1",
            }  # fmt: skip
            assert second == {**dict.fromkeys(first), "n": 3, "y": 1}
            server.execute("insert into t (n, y) values (5, 0), (2, 1), (null, 1)")
            found = mlops(tmp_path, "ingest", "--json", code=0).result
            assert (found["rows"], found["missed"]) == (1, 1)
            assert [row["n"] for row in _rows(tmp_path)] == [1, 3, 5]
            mlops(tmp_path, "ingest", "--since", "2", code=0)
            assert [row["n"] for row in _rows(tmp_path)] == [1, 2, 3, 5]
            for writes in ("drop table t", "delete from t", "create table u (n int)"):
                _project(tmp_path, writes, None)
                assert "READ ONLY transaction" in mlops(tmp_path, "ingest", code=3).err
            assert server.execute("select count(*) from t") == "5\n"
            monkeypatch.setenv("LAKE", server.url.replace("right-word", "wrong-word"))
            said = mlops(tmp_path, "ingest", code=8).err
            assert ("Access denied" in said, "wrong-word" in said) == (True, False)
        assert "does not answer" in mlops(tmp_path, "ingest", code=8).err


def test_a_file_of_duckdb_is_read_alone(
    tmp_path: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE", "duckdb:///lake.duckdb")
    _project(tmp_path, "select * from t")
    assert "does not exist" in mlops(tmp_path, "ingest", code=8).err
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as lake:
        lake.execute(
            "create table t as select range as n, range % 2 as y, 0.1::decimal(9, 3) as d, "
            "['a'] as l from range(3)"
        )
    mlops(tmp_path, "ingest", code=0)
    assert _rows(tmp_path)[2] == {"n": 2, "y": 0, "d": 0.1, "l": ["a"]}
    with duckdb.connect(str(tmp_path / "lake.duckdb")) as lake:
        lake.execute("insert into t values (3, 1, 0.2, null)")
    assert mlops(tmp_path, "ingest", "--json", code=0).result["rows"] == 1
    (tmp_path / "secret.csv").write_text("a\n1\n")
    for sql in (
        "create table u as select 1 as y",
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"attach '{tmp_path}/other.duckdb'",
        "set enable_external_access = true",
        "no query",
    ):
        _project(tmp_path, sql, None)
        assert "the database refuses the query" in mlops(tmp_path, "ingest", code=3).err
    assert not (tmp_path / "other.duckdb").exists()
