"""`mlops ingest`: each row once, whatever comes when; what does not fit is refused."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import projects
from command_line import Mlops
from mlops_cli.config.document import read_yaml
from mlops_cli.contracts.model import load_contract


def _write(file: Path, **columns: list[object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def _rows(root: Path, name: str) -> list[dict[str, object]]:
    parts = sorted((root / f"data/raw/{name}").glob("*.parquet"))
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


def _digests(root: Path, name: str) -> dict[str, str]:
    parts = sorted((root / f"data/raw/{name}").glob("*.parquet"))
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in parts}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose table is a folder of files in `in/`."""
    (tmp_path / "p").mkdir()
    text = "project: p\ntask: binary\ndata: {table: in, name: events, target: y}\n"
    (tmp_path / "p/mlops.yaml").write_text(text)
    _write(tmp_path / "p/in/b.parquet", id=[3, 4], y=[0, 1])
    _write(tmp_path / "p/in/a.parquet", id=[1, 2], y=[1, 0])
    return tmp_path / "p"


def test_each_file_lands_once_and_late_ones_behind(root: Path, mlops: Mlops) -> None:
    first = mlops(root, "ingest", "--json", code=0).result
    assert (first["rows"], first["total"]) == (4, 4)
    assert [r["id"] for r in _rows(root, "events")] == [1, 2, 3, 4]
    before = _digests(root, "events")
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
    assert _digests(root, "events") == before
    _write(root / "in/0-late.parquet", id=[9], y=[1])
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 1
    assert [r["id"] for r in _rows(root, "events")] == [1, 2, 3, 4, 9]
    assert before.items() <= _digests(root, "events").items()


def test_a_file_that_changed_or_went_takes_its_rows_along(root: Path, mlops: Mlops) -> None:
    mlops(root, "ingest", code=0)
    _write(root / "in/a.parquet", id=[1, 2, 22], y=[1, 0, 0])
    assert "in/a.parquet has changed" in mlops(root, "ingest", code=0).out
    assert [r["id"] for r in _rows(root, "events")] == [1, 2, 22, 3, 4]
    (root / "in/b.parquet").unlink()
    assert mlops(root, "ingest", "--json", code=0).result["removed"] == 1
    assert [r["id"] for r in _rows(root, "events")] == [1, 2, 22]


def test_folders_of_a_partition_are_numbers_however_they_are_filled(
    root: Path, mlops: Mlops
) -> None:
    for month in ("01", "10"):
        _write(root / f"in/month={month}/x.parquet", id=[int(month)], y=[1])
    for file in ("a", "b"):
        (root / f"in/{file}.parquet").unlink()
    mlops(root, "ingest", code=0)
    assert [(r["id"], r["month"]) for r in _rows(root, "events")] == [(1, 1), (10, 10)]


def test_columns_widen_come_and_are_null_before_and_a_new_type_is_refused(
    root: Path, mlops: Mlops
) -> None:
    mlops(root, "ingest", code=0)
    _write(root / "in/c.parquet", id=[5], y=[0.5], more=["x"])
    mlops(root, "ingest", code=0)
    last = _rows(root, "events")[-1]
    assert last == {"id": 5, "y": 0.5, "more": "x"}
    before = _digests(root, "events")
    _write(root / "in/d.parquet", id=["six"], y=[1])
    said = mlops(root, "ingest", code=3).err
    assert "'id' was int64, and is string" in said
    assert _digests(root, "events") == before
    assert not list((root / "data/raw").glob(".*.part"))


def _contract(root: Path, rules: str, *columns: str) -> None:
    (root / "contracts").mkdir(exist_ok=True)
    listed = ", ".join(columns or ("id: {type: integer}", "y: {type: integer}"))
    (root / "contracts/events.yaml").write_text(f"columns: {{{listed}}}\n{rules}\n")


def test_columns_that_come_go_or_change_are_held_to_the_contract_s_rule(
    root: Path, mlops: Mlops
) -> None:
    mlops(root, "ingest", code=0)
    before = _digests(root, "events")
    _write(root / "in/c.parquet", id=[5], y=[0.5])
    _contract(root, "compatibility: FORWARD")  # to older readers these are no whole numbers
    assert "y, rule `type`" in mlops(root, "ingest", code=3).err
    _write(root / "in/c.parquet", id=[5])  # y goes
    for rule, column in (("FORWARD", "y"), ("FULL_TRANSITIVE", "y")):
        _contract(root, f"compatibility: {rule}")
        said = mlops(root, "ingest", code=3).err
        assert f"break {rule}, which the table's contract asks: {column}, rule `columns`" in said
        assert _digests(root, "events") == before
    _contract(root, "compatibility: FULL", "id: {type: integer}",
              "y: {type: integer, nullable: true}")  # fmt: skip
    found = mlops(root, "ingest", "--json", code=0).result
    assert found["remarks"] == ["columns that are gone, and null from here on: y"]
    assert _rows(root, "events")[-1] == {"id": 5, "y": None}
    _write(root / "in/d.parquet", id=[6], y=[0.5], more=["x"])
    _contract(root, "extra_columns: refuse")
    assert "the column 'more' is new in the source" in mlops(root, "ingest", code=3).err
    _contract(root, "compatibility: BACKWARD", "id: {type: integer}",
              "y: {type: float, nullable: true}", "more: {type: text}")  # fmt: skip
    assert "more, rule `columns`" in mlops(root, "ingest", code=3).err  # null in the rows before
    _contract(root, "", "id: {type: integer}", "y: {type: float, nullable: true}")
    found = mlops(root, "ingest", "--json", code=0).result
    assert found["remarks"] == ["columns that are new, and null in the rows before: more"]
    assert _rows(root, "events")[-1] == {"id": 6, "y": 0.5, "more": "x"}


def test_rows_that_come_twice_or_late_are_counted_and_kept(root: Path, mlops: Mlops) -> None:
    text = (root / "mlops.yaml").read_text().replace("target: y", "target: y, id: {event: [id]}, "
        "time: at")  # fmt: skip
    (root / "mlops.yaml").write_text(text)
    day = datetime(2013, 1, 2)
    for file in ("a", "b"):
        (root / f"in/{file}.parquet").unlink()
    _write(root / "in/a.parquet", id=[1, 2, 2, None], y=[1] * 4, at=[day] * 4)
    found = mlops(root, "ingest", "--json", code=0).result
    assert (found["repeated"], found["late"]) == (1, 0)
    hour = timedelta(hours=1)
    at = [day - hour, day, day + hour, None]
    _write(root / "in/b.parquet", id=[2, 3, 3, None], y=[0] * 4, at=at)
    found = mlops(root, "ingest", "--json", code=0).result
    assert (found["rows"], found["repeated"], found["late"]) == (4, 2, 1)
    assert found["remarks"] == [
        "2 rows repeat the id of another one and are in the table, too: `unique: [[id]]` in its "
        "contract sets the later ones aside",
        "1 rows are of moments before the newest that had landed: they stand behind all others",
    ]
    assert [r["id"] for r in _rows(root, "events")] == [1, 2, 2, None, 2, 3, 3, None]
    nothing = mlops(root, "ingest", "--json", code=0).result
    assert (nothing["repeated"], nothing["late"], nothing["missed"]) == (0, 0, 0)


def test_json_lines_keep_texts_and_a_torn_line_is_named(root: Path, mlops: Mlops) -> None:
    text = "project: p\ntask: binary\ndata: {table: in/*.jsonl, name: lines, target: y}\n"
    (root / "mlops.yaml").write_text(text)
    lines = [{"id": 1, "at": "2013-01-01T05:00:00Z"}, {"id": 2, "at": None}]
    (root / "in/x.jsonl").write_text("\n".join(map(json.dumps, lines)))
    mlops(root, "ingest", code=0)
    assert _rows(root, "lines") == lines
    (root / "in/y.jsonl").write_text('{"id": 3}\n{"id": ')
    assert "in/y.jsonl, line 2" in mlops(root, "ingest", code=3).err
    assert len(_rows(root, "lines")) == 2


def test_what_cannot_be_ingested_is_said(root: Path, mlops: Mlops) -> None:
    text = (root / "mlops.yaml").read_text()
    assert "choose them by a pattern" in mlops(root, "ingest", "--since", "1", code=2).err
    (root / "mlops.yaml").write_text(text.replace("table: in,", "table: none/*.csv,"))
    assert "matches no file" in mlops(root, "ingest", code=2).err
    (root / "mlops.yaml").write_text(text.replace("table: in,", "table: in/a.parquet,"))
    assert "is a file of the project" in mlops(root, "ingest", code=2).err
    (root / "mlops.yaml").write_text(text.replace("table: in,", "table: {sqll: select 1},"))
    assert "{sql: QUERY, url: URL}" in mlops(root, "ingest", code=2).err
    (root / "mlops.yaml").write_text(text)
    foreign = root / "data/raw/events/hand.parquet"
    _write(foreign, id=[1])
    assert "is no file that an ingest wrote" in mlops(root, "ingest", code=3).err


def test_a_run_ingests_infers_and_learns_as_from_the_file(tmp_path: Path, mlops: Mlops) -> None:
    plain = projects.copy(projects.finished("parcels"), tmp_path / "plain")
    config = read_yaml(plain / "mlops.yaml")
    table = config["data"]["table"]
    root = projects.copy(plain, tmp_path / "p")
    (root / "in").mkdir()
    (root / table).rename(root / "in" / Path(table).name)
    text = (root / "mlops.yaml").read_text().replace(table, "in/*")
    name = "parts"
    text = text.replace("data:\n", f"data:\n  name: {name}\n", 1)
    (root / "mlops.yaml").write_text(text)
    done = mlops(root, "run", "--first", code=0)
    assert f"ingested into data/raw/{name}" in done.said
    assert (root / f"data/raw/{name}.dvc").is_file()
    assert load_contract(root / f"contracts/{name}.yaml").columns
    metrics = [json.loads((r / "metrics.json").read_text()) for r in (plain, root)]
    assert metrics[0]["holdout"] == metrics[1]["holdout"]
    assert mlops(root, "run", "--json", code=0).result["stages"][0]["state"] != "ran"
