"""Sources, and the online store, where they are wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from said import check, leftovers

Make = Callable[[Path], None]
CONTRACT = "columns: {id: {type: integer}, y: {type: integer}}\n"


def _write(root: Path, name: str, **columns: object) -> None:
    (root / "in").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), root / "in" / name)


def _landed(root: Path) -> None:
    """A first ingest, of whole numbers, and a contract of it."""
    from mlops_cli.actions.ingest import ingest
    from mlops_cli.config.load import load_project

    _write(root, "a.parquet", id=[1, 2], y=[0, 1])
    ingest(load_project(root))
    (root / "contracts").mkdir(exist_ok=True)
    (root / "contracts/events.yaml").write_text(CONTRACT)


def _then(mode: str = "", **columns: object) -> Make:
    def make(root: Path) -> None:
        _landed(root)
        (root / "contracts/events.yaml").write_text(f"{CONTRACT}{mode}\n")
        _write(root, "b.parquet", **columns)

    return make


def _file(name: str, content: bytes) -> Make:
    def make(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    return make


def _truncated(root: Path) -> None:
    _write(root, "a.parquet", id=list(range(1000)), y=[0] * 1000)
    whole = (root / "in/a.parquet").read_bytes()
    (root / "in/a.parquet").write_bytes(whole[: len(whole) // 2])


def _two(root: Path) -> None:
    _write(root, "a.parquet", id=[1, 2], y=[0, 1])


def _foreign(root: Path) -> None:
    _landed(root)
    pq.write_table(pa.table({"id": [1]}), root / "data/raw/events/000009.parquet")


def _lake(root: Path) -> None:
    with sqlite3.connect(root / "lake.db") as lake:
        lake.execute("create table t (id integer, y integer)")
        lake.execute("insert into t values (1, 0)")


def _vacuumed(root: Path) -> None:
    delta = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    lake = str(root / "lake")
    delta.write_deltalake(lake, pa.table({"id": [1], "y": [0]}))
    delta.write_deltalake(lake, pa.table({"id": [2], "y": [0]}), mode="overwrite")
    delta.DeltaTable(lake).vacuum(0, dry_run=False, enforce_retention_duration=False)


def _nothing(root: Path) -> None:
    del root


def _sql(query: str, url: str = "sqlite:///lake.db") -> str:
    return f"{{sql: \"{query}\", url: '{url}'}}"


INGESTS: dict[str, tuple[str, Make, tuple[str, ...]]] = {  # the table, what is there, options
    "ingest-of-a-file": ("in/a.parquet", _file("in/a.parquet", b""), ()),
    "ingest-that-matches-nothing": ("in/*.parquet", _nothing, ()),
    "ingest-of-files-since": ("in", _file("in/a.csv", b"id,y\n1,0\n"), ("--since", "1")),
    "ingest-no-such-watermark": ("{files: in, watermark: no}", _two, ()),
    "ingest-no-such-column": ("{files: in, columns: [id, no]}", _two, ()),
    "ingest-watermark-left-out": ("{files: in, columns: [id], watermark: y}", _two, ()),
    "ingest-since-no-value": ("{files: in, watermark: id}", _two, ("--since", "soon")),
    "ingest-vacuumed": ("{delta: lake, version: 0}", _vacuumed, ()),
    "ingest-of-no-row": ("in", _file("in/a.jsonl", b"\n"), ()),
    "ingest-truncated": ("in", _truncated, ()),
    "ingest-torn-line": ("in", _file("in/a.jsonl", b'{"id": 1}\n{"id": '), ()),
    "ingest-another-type": ("in", _then(id=["x"], y=[0]), ()),
    "ingest-names-of-one-case": ("in", _then(ID=[3], y=[0]), ()),
    "ingest-number-beyond-64-bits": (
        "in", _then(id=pa.array([2**64 - 1], pa.uint64()), y=[0]), ()),
    "ingest-further-column": ("in", _then("extra_columns: refuse", id=[3], y=[0], z=[1]), ()),
    "ingest-column-gone": ("in", _then("compatibility: FORWARD", id=[3]), ()),
    "ingest-column-widened": ("in", _then("compatibility: FULL", id=[3], y=[0.5]), ()),
    "ingest-foreign-file": ("in", _foreign, ()),
    "ingest-without-its-variable": (_sql("select 1 as y", "${NO_SUCH_LAKE}"), _nothing, ()),
    "ingest-of-no-database": (_sql("select 1 as y"), _nothing, ()),
    "ingest-without-a-driver": (_sql("select 1 as y", "oracle+nothing://h/x"), _nothing, ()),
    "ingest-query-that-is-none": (_sql("select * from nothing"), _lake, ()),
    "ingest-query-that-writes": (_sql("delete from t"), _lake, ()),
}  # fmt: skip


@pytest.mark.parametrize("name", INGESTS)
def test_an_ingest_that_cannot_be(name: str, tmp_path: Path, mlops: Mlops) -> None:
    table, make, options = INGESTS[name]
    text = f"project: p\ntask: binary\ndata:\n  name: events\n  target: y\n  table: {table}\n"
    (tmp_path / "mlops.yaml").write_text(text)
    make(tmp_path)
    before = {f: f.read_bytes() for f in tmp_path.rglob("*.parquet")}
    check(mlops(tmp_path, "ingest", *options), name)
    assert {f: f.read_bytes() for f in tmp_path.rglob("*.parquet")} == before
    assert leftovers(tmp_path) == []
    assert not list(tmp_path.rglob("*.part"))


ONLINE: dict[str, tuple[str, str, tuple[str, ...]]] = {  # the store, source, and command
    "online-of-nothing": ("sqlite", "table", ("materialize",)),
    "online-store-that-is-empty": ("sqlite", "online", ("get", "--key", "c=x")),
    "online-key-of-nothing": ("sqlite", "online", ("get", "--key", "cc=x")),
    "online-key-without-a-value": ("sqlite", "online", ("get", "--key", "c")),
    "online-at-no-moment": ("sqlite", "online", ("get", "--key", "c=x", "--at", "noon")),
    "online-redis-away": ("redis://127.0.0.1:9/0", "online", ("materialize",)),
    "online-redis-without-its-variable": (
        "redis://:${NO_SUCH_WORD}@127.0.0.1:9/0", "online", ("materialize",)),
}  # fmt: skip


@pytest.mark.parametrize("name", ONLINE)
def test_a_store_that_cannot_be_asked(name: str, tmp_path: Path, mlops: Mlops) -> None:
    store, source, command = ONLINE[name]
    (tmp_path / "t.csv").write_text("c,at,a,y\nx,2013-01-01T00:00:00,1,0\n")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/t.yaml").write_text(
        "columns: {c: {type: text}, at: {type: timestamp}, a: {type: integer}, "
        "y: {type: integer}}\n"
    )
    (tmp_path / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: t.csv, target: y, time: at}\nfeatures:\n"
        f"  columns: [a]\n  online: '{store}'\n  aggregates: [{{name: n, expr: count(*), "
        f"table: t.csv, by: [c], window: 1d, lag: 1h, source: {source}}}]\n"
    )
    check(mlops(tmp_path, "features", *command), name)
    assert leftovers(tmp_path) == []
