"""`mlops collect`: from a local deployment and from files, each segment once."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import command_line
import projects
from mlops_cli import collect, deploy, load_project
from mlops_cli._poll import wait_until
from mlops_cli.errors import DataError
from mlops_cli.serving import segments
from mlops_cli.serving.segments import Segment, new_stem, new_token
from servers import free_port
from traffic import LINE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    root.mkdir()
    (root / "mlops.yaml").write_text("project: p\ntask: binary\ndata: {table: t.csv, target: y}\n")
    return root


def _rows(root: Path, columns: str = "request_id", what: str = "predictions") -> list[Any]:
    sql = f"select {columns} from read_parquet('{root}/monitoring/{what}/date=*/*.parquet')"
    return duckdb.execute(f"{sql} order by 1").fetchall()


def _segment(root: Path, *lines: dict[str, Any]) -> None:
    folder = root / ".mlops/local/log"
    folder.mkdir(parents=True, exist_ok=True)
    segment = Segment(folder, new_stem(segments.PREDICTIONS, new_token(), 1))
    segment.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    segment.close()


def _left(root: Path) -> list[Path]:
    return segments.closed(root / ".mlops/local/log")


def test_closed_segments_come_once_and_leave_the_log(root: Path) -> None:
    _segment(root, LINE, LINE | {"row": 1})
    _segment(root, LINE | {"request_id": "r2", "time": "2026-03-02T10:00:00Z"})
    result = collect(load_project(root))
    assert (result.target, result.segments, result.rows, result.unreadable) == ("local", 2, 3, 0)
    assert _left(root) == []
    again = collect(load_project(root))
    assert (again.segments, again.rows) == (0, 0)
    assert _rows(root, "request_id, row, date") == [
        ("r1", 0, date(2026, 3, 1)),
        ("r1", 1, date(2026, 3, 1)),
        ("r2", 0, date(2026, 3, 2)),
    ]


class Bucket:
    """A folder as the storage where the server uploads its segments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[str] = []

    def sizes(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in sorted(self.folder.iterdir())}

    def get(self, name: str, file: Path) -> None:
        self.taken.append(name)
        file.write_bytes((self.folder / name).read_bytes())


def test_what_the_server_has_uploaded_comes_once_and_stays_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (root / "mlops.yaml").open("a") as config:
        config.write("serve: {log: {to: 's3://bucket/log'}}\nmonitor: {keep: 400d}\n")
    bucket = Bucket(root / "bucket")

    buckets = {"s3://bucket/log": bucket}
    monkeypatch.setattr(sys.modules[collect.__module__], "open_store", buckets.__getitem__)
    _segment(root, LINE)
    shutil.copytree(root / ".mlops/local/log", bucket.folder)  # uploaded, and still to be removed
    _segment(root, LINE | {"request_id": "r2"})
    (new,) = {path.name for path in _left(root)} - bucket.sizes().keys()
    (root / ".mlops/local/log" / new).replace(bucket.folder / new)
    old = "predictions-20200101T000000Z-0123456789ab-000001.ndjson"
    (bucket.folder / old).write_text(json.dumps(LINE | {"time": "2020-01-01T00:00:00Z"}) + "\n")
    (bucket.folder / "README.txt").write_text("not a segment")
    result = collect(load_project(root))
    assert (result.rows, result.segments) == (2, 2)
    assert _rows(root) == [("r1",), ("r2",)]
    again = collect(load_project(root))
    assert (again.rows, bucket.taken) == (0, [new])
    assert len(bucket.sizes()) == 4


def test_what_a_dead_worker_left_open_comes_too(root: Path) -> None:
    folder = root / ".mlops/local/log"
    folder.mkdir(parents=True)
    text = json.dumps(LINE)
    (folder / f"{new_stem(segments.PREDICTIONS, new_token(), 1)}.open").write_text(
        f"{text}\n{text[:50]}"
    )
    assert collect(load_project(root)).rows == 1


def test_a_line_of_ours_that_cannot_be_read_is_counted_and_hides_no_other(root: Path) -> None:
    _segment(root, LINE, {"request_id": "half"}, LINE | {"row": 1})
    result = collect(load_project(root))
    assert (result.rows, result.unreadable) == (2, 1)


def test_files_of_another_server_come_once_by_their_name(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "theirs.ndjson"
    file.write_text(json.dumps(LINE) + "\n")
    result = collect(load_project(root), files=[file])
    assert (result.target, result.segments, result.rows) == (None, 1, 1)
    assert collect(load_project(root), files=[file]).rows == 0
    assert file.exists()
    assert _rows(root, "request_id, segment") == [("r1", "theirs")]


def test_a_file_that_is_no_segment_is_refused_with_its_line_and_nothing_is_written(
    root: Path, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    good.write_text(json.dumps(LINE) + "\n")
    bad.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"bad\.ndjson, line 1: "):
        collect(load_project(root), files=[good, bad])
    with pytest.raises(DataError, match=r"absent\.ndjson cannot be read"):
        collect(load_project(root), files=[good, tmp_path / "absent.ndjson"])
    assert not (root / "monitoring").exists()


def test_a_disk_that_fills_leaves_no_day_without_rows_and_the_next_collect_brings_all(
    root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "theirs.ndjson"
    days = ("2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z")
    wide = {f"c{i}": os.urandom(20).hex() for i in range(100)}
    lines = (LINE | {"time": day, "inputs": wide} for day in days)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    less_than_a_day = 4_000
    done = command_line.in_little_room(root, "collect", "--from", file, most=less_than_a_day)
    assert done.code == 8
    assert "monitoring/predictions/date=2026-03-01" in done.err
    assert not list((root / "monitoring").rglob("date=*"))
    assert collect(load_project(root), files=[file]).rows == 2
    assert _rows(root, "request_id, segment") == [("r1", "theirs")] * 2


def test_days_older_than_kept_are_removed(root: Path) -> None:
    with (root / "mlops.yaml").open("a") as file:
        file.write("monitor: {keep: 2d}\n")
    for day in ("01", "02", "03", "04"):
        _segment(root, LINE | {"time": f"2026-03-{day}T10:00:00Z"})
    assert collect(load_project(root)).dropped == (date(2026, 3, 1),)
    assert len(_rows(root)) == 3


def test_two_at_once_are_one_after_the_other(root: Path) -> None:
    for i in range(20):
        _segment(root, LINE | {"request_id": f"r{i:02d}"})
    command = [command_line.MLOPS, "collect", "--json"]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(2)]
    results = [json.loads(p.communicate(timeout=120)[0])["result"] for p in both]
    assert sum(result["rows"] for result in results) == 20
    assert [row[0] for row in _rows(root)] == [f"r{i:02d}" for i in range(20)]


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A project whose champion answers on this machine, and its port."""
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    port = free_port()
    deploy(load_project(root), port=port)
    yield root, port
    deploy(load_project(root), stop=True)


def _ask(root: Path, port: int) -> dict[str, Any]:
    body = (root / "examples/request.json").read_bytes()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/predict", body)
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def test_what_a_deployment_answered_comes_and_what_a_kill_took_is_a_moment(
    deployed: tuple[Path, int],
) -> None:
    root, port = deployed
    first = _ask(root, port)
    assert collect(load_project(root)).rows == 0  # its segment is open
    assert collect(load_project(root), closing=True).rows == 1
    (row,) = _rows(root, "request_id, version, inputs, prediction")
    assert row[:2] == (first["request_id"], first["version"])
    assert json.loads(row[2]) == json.loads((root / "examples/request.json").read_text())
    assert json.loads(row[3]) == first["predictions"][0]
    second = _ask(root, port)
    (open_one,) = wait_until(lambda: [*(root / ".mlops/local/log").glob("*.open")], seconds=30)
    assert wait_until(lambda: open_one.stat().st_size, seconds=30)
    _kill_worker(root)
    assert collect(load_project(root)).rows == 1
    assert {second["request_id"], first["request_id"]} == {row[0] for row in _rows(root)}


def test_a_deploy_collects_before_it_replaces_and_a_stop_before_it_ends(
    deployed: tuple[Path, int],
) -> None:
    root, port = deployed
    _ask(root, port)
    deploy(load_project(root), port=port)
    assert len(_rows(root)) == 1
    _ask(root, port)
    deploy(load_project(root), stop=True)
    assert len(_rows(root)) == 2


def test_without_a_log_there_is_nothing_to_collect_and_nothing_is_written(tmp_path: Path) -> None:
    root = projects.copy(projects.finished("parcels"), tmp_path / "p")
    with (root / "mlops.yaml").open("a") as file:
        file.write("serve: {log: null}\n")
    port = free_port()
    deploy(load_project(root), port=port)
    try:
        _ask(root, port)
        assert collect(load_project(root), closing=True).segments == 0
    finally:
        deploy(load_project(root), stop=True)
    assert not (root / ".mlops/local/log").exists()
    assert not (root / "monitoring").exists()


def _kill_worker(root: Path) -> None:
    """Kill the server of that project's deployment, and wait until it is gone."""
    (pid,) = (
        int(found.name)
        for found in Path("/proc").iterdir()
        if found.name.isdecimal() and _serves(found, root)
    )
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not Path(f"/proc/{pid}").exists(), seconds=30)


def _serves(process: Path, root: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return b"mlops_cli.serving" in words and process.joinpath("cwd").resolve().is_relative_to(
            root
        )
    except OSError:
        return False
