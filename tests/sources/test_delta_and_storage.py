"""A Delta table by its versions, and object storage by URL."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from counted import Counted
from mlops_cli._poll import wait_until
from servers import free_port


def _project(root: Path, table: str) -> None:
    text = f"project: p\ntask: binary\ndata: {{table: {table}, target: y}}\n"
    (root / "mlops.yaml").write_text(text)


def _ids(root: Path, name: str) -> list[int]:
    parts = sorted((root / f"data/raw/{name}").glob("*.parquet"))
    return [r["id"] for p in parts for r in pq.ParquetFile(p).read().to_pylist()]


def test_a_delta_table_is_read_at_its_version(tmp_path: Path, mlops: Mlops) -> None:
    delta = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    lake = tmp_path / "lake.delta"
    delta.write_deltalake(str(lake), pa.table({"id": [1, 2]}))
    delta.write_deltalake(str(lake), pa.table({"id": [3]}), mode="append")
    root = tmp_path / "p"
    root.mkdir()
    _project(root, "{delta: ../lake.delta, version: 0}")
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 2
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
    _project(root, "{delta: ../lake.delta}")
    found = mlops(root, "ingest", "--json", code=0).result
    assert found["remarks"] == ["../lake.delta: version 1 in place of 0"]
    assert sorted(_ids(root, "lake")) == [1, 2, 3]
    _project(root, "{delta: ../lake.delta, version: 9}")
    assert "no version 9" in mlops(root, "ingest", code=2).err
    _project(root, "{delta: ../none}")
    assert "is no Delta table" in mlops(root, "ingest", code=2).err
    assert sorted(_ids(root, "lake")) == [1, 2, 3]


def test_a_watermark_opens_only_the_files_that_may_have_more(tmp_path: Path, mlops: Mlops) -> None:
    delta = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    lake = tmp_path / "lake"

    def add(day: int) -> set[Path]:
        before = set(lake.glob("*.parquet"))
        at = [datetime(2024, 1, day, hour, tzinfo=UTC) for hour in range(3)]
        rows = pa.table({"id": [10 * day + n for n in range(3)], "at": at, "wide": ["x"] * 3})
        delta.write_deltalake(str(lake), rows, mode="append")
        return set(lake.glob("*.parquet")) - before

    first, second = add(1), add(2)
    _project(tmp_path, "{delta: lake, watermark: id, columns: [id, at]}")
    for file in second:
        file.rename(file.with_suffix(".away"))  # whoever opens it fails
    mlops(tmp_path, "ingest", "--until", "15", code=0)
    assert sorted(_ids(tmp_path, "lake")) == [10, 11, 12]
    for file in second:
        file.with_suffix(".away").rename(file)
    for file in first:
        file.unlink()
    add(3)
    assert mlops(tmp_path, "ingest", "--json", code=0).result["rows"] == 6
    assert mlops(tmp_path, "ingest", "--json", code=0).result["rows"] == 0
    assert sorted(_ids(tmp_path, "lake")) == [10, 11, 12, 20, 21, 22, 30, 31, 32]
    landed = pq.read_schema(tmp_path / "data/raw/lake/000001.parquet").names
    assert landed == ["id", "at"]
    again = mlops(tmp_path, "ingest", "--since", "20", "--json", code=0).result
    assert (again["removed"], again["rows"]) == (1, 6)
    _project(tmp_path, "{delta: lake, watermark: when}")
    assert "no column 'when'" in mlops(tmp_path, "ingest", code=2).err


def test_a_version_that_was_vacuumed_is_told(tmp_path: Path, mlops: Mlops) -> None:
    delta = pytest.importorskip("deltalake", reason="the extra delta is not installed")
    lake = tmp_path / "lake"
    delta.write_deltalake(str(lake), pa.table({"id": [1, 2]}))
    delta.write_deltalake(str(lake), pa.table({"id": [3]}), mode="overwrite")
    delta.DeltaTable(str(lake)).vacuum(0, dry_run=False, enforce_retention_duration=False)
    _project(tmp_path, "{delta: lake, version: 0}")
    assert "lacks a file" in mlops(tmp_path, "ingest", code=3).err
    assert not list((tmp_path / "data/raw/lake").glob("*.parquet"))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    server = shutil.which("moto_server")
    if server is None:
        pytest.skip("moto_server is not on PATH: nox -s extras")
    port = free_port()
    running = subprocess.Popen([server, "-p", str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        import urllib.error
        import urllib.request

        def made() -> bool:
            put = urllib.request.Request(f"http://127.0.0.1:{port}/lake", method="PUT")
            try:
                urllib.request.urlopen(put, timeout=5).close()
            except urllib.error.URLError:
                return False
            return True

        assert wait_until(made, seconds=60, step=0.2)
        yield "s3://lake"
    finally:
        running.terminate()
        running.wait()


def test_objects_land_once_by_url_folder_and_pattern(
    tmp_path: Path, bucket: str, mlops: Mlops
) -> None:
    import obstore
    from obstore.store import from_url

    store = from_url(bucket, client_options={"allow_http": True})

    def put(name: str, ids: list[int]) -> None:
        file = tmp_path / "object.parquet"
        pq.write_table(pa.table({"id": ids}), file)
        obstore.put(store, name, file)

    put("in/a.parquet", [1, 2])
    put("in/b.parquet", [3])
    obstore.put(store, "in/c.jsonl", json.dumps({"id": 4}).encode())
    _project(tmp_path, f"{bucket}/in/a.parquet")
    mlops(tmp_path, "ingest", code=0)
    assert _ids(tmp_path, "a") == [1, 2]
    _project(tmp_path, f"{bucket}/in")
    mlops(tmp_path, "ingest", code=0)
    assert _ids(tmp_path, "in") == [1, 2, 3, 4]
    put("in/b.parquet", [33])
    mlops(tmp_path, "ingest", code=0)
    assert _ids(tmp_path, "in") == [1, 2, 33, 4]
    _project(tmp_path, f"'{bucket}/in/*.jsonl'")
    mlops(tmp_path, "ingest", code=0)
    _project(tmp_path, f"{bucket}/nothing/x.parquet")
    assert "matches no file" in mlops(tmp_path, "ingest", code=2).err


@pytest.fixture
def counted(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    """A way to the bucket's server that counts what comes back."""
    with Counted(int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2])) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{relay.port}")
        yield relay


def test_of_objects_only_what_is_asked_for_is_fetched(
    tmp_path: Path, bucket: str, counted: Counted, mlops: Mlops
) -> None:
    import obstore
    from obstore.store import from_url

    store = from_url(bucket, client_options={"allow_http": True})
    file = tmp_path / "object.parquet"
    for day in range(4):
        ids = list(range(1000 * day, 1000 * (day + 1)))
        wide = [random.Random(i).randbytes(1000) for i in ids]
        pq.write_table(pa.table({"id": ids, "wide": wide}), file, row_group_size=100)
        obstore.put(store, f"in/day={day}/a.parquet", file)
    whole = 4 * file.stat().st_size

    def fetched(table: str, *more: str) -> tuple[float, list[str], list[int]]:
        """The share of all bytes, what was asked for, and the rows that are there."""
        _project(tmp_path, table)
        counted.bytes, counted.asked = 0, []
        mlops(tmp_path, "ingest", *more, code=0)
        objects = [line for line in counted.asked if "parquet" in line]
        return counted.bytes / whole, objects, sorted(_ids(tmp_path, "in"))

    files = f"files: {bucket}/in"
    share, objects, ids = fetched(f"{{{files}, columns: [id], watermark: id}}", "--until", "1049")
    assert (share < 0.1, ids) == (True, list(range(1050)))
    assert len(objects) <= 4 + 1 + 10  # the ends of all, and a group each of what is in it
    share, objects, ids = fetched(f"{{{files}, columns: [id], watermark: id}}", "--until", "1049")
    assert ids == list(range(1050))
    shutil.rmtree(tmp_path / "data")
    share, objects, ids = fetched(f"{{{files}, watermark: day}}", "--since", "2", "--until", "2")
    assert (0.24 < share < 0.27, ids) == (True, list(range(2000, 3000)))
    assert {line.split("day")[1][:4] for line in objects} == {"%3D2"}
    shutil.rmtree(tmp_path / "data")
    share, objects, ids = fetched(f"{bucket}/in")
    assert (share > 0.99, len(objects)) == (True, 4)


def test_an_object_that_is_replaced_in_mid_read_is_no_mixture(bucket: str) -> None:
    import obstore
    from obstore.store import from_url

    from mlops_cli.errors import EnvironmentFault
    from mlops_cli.serving.object_store import ObjectStore

    store = from_url(bucket, client_options={"allow_http": True})
    obstore.put(store, "a", bytes(200_000))
    file = ObjectStore(bucket).opened("a")
    assert (file.seek(0, os.SEEK_END), file.seek(10), len(file.read(5))) == (200_000, 10, 5)
    obstore.put(store, "a", b"x" * 200_000)
    with pytest.raises(EnvironmentFault, match="s3://lake/a cannot be read"):
        file.read(5)
