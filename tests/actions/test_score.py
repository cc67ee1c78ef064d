"""score: the input's columns, the predictions beside them, and the rows that it refuses."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost

from fitted import fit
from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError, UsageError
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.stages.featurize import featurize
from mlops_cli.tables.matrix import encode

TYPES = {"at": "timestamp", "city": "text", "x": "float", "n": "integer", "late": "boolean"}
CONFIG = {
    "project": "x",
    "task": "binary",
    "data": {"table": "data/raw/e.csv", "target": "late", "time": "at"},
    "features": {
        "columns": ["city", "x"],
        "row": {"h": "hour(at) + n // 3", "c": "upper(left(city, 1))"},
        "join": [{"table": "data/raw/w.csv", "on": ["city"], "asof": "at", "columns": ["temp"]}],
    },
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    """A project whose features are made, and a small real bundle in `model/`."""
    root = tmp_path_factory.mktemp("project")
    (root / "data/raw").mkdir(parents=True)
    (root / "contracts").mkdir()
    lines = ["at,city,x,n,late"]
    for i in range(200):
        x = "" if i % 7 == 0 else f"{i % 13 / 3}"
        late = "true" if (i * 7) % 11 < 4 else "false"
        lines.append(f"2013-01-{i % 28 + 1:02}T{i % 24:02}:30:00Z,{'äbc'[i % 3]}x,{x},{i},{late}")
    (root / "data/raw/e.csv").write_text("\n".join(lines) + "\n")
    weather = [f"2013-01-{d:02}T00:00:00Z,{c}x,{d * 1.5}" for d in range(1, 29) for c in "äb"]
    (root / "data/raw/w.csv").write_text("\n".join(["at,city,temp", *weather]) + "\n")
    columns = {n: {"type": t, "nullable": n in ("x", "city")} for n, t in TYPES.items()}
    (root / "contracts/e.yaml").write_text(json.dumps({"columns": columns}))
    right = {"at": "timestamp", "city": "text", "temp": "float"}
    columns = {n: {"type": t, "nullable": True} for n, t in right.items()}
    (root / "contracts/w.yaml").write_text(json.dumps({"columns": columns}))
    (root / "mlops.yaml").write_text(json.dumps(CONFIG))
    featurize(load_project(root))
    fit(root)
    return root


def scored(root: Path, source: Path, name: str) -> list[dict[str, Any]]:
    destination = source.parent / name
    result = score(load_project(root), source, destination, bundle=root / "model", force=True)
    if name.endswith(".csv"):
        with destination.open(encoding="utf-8", newline="") as f:
            rows: list[dict[str, Any]] = list(csv.DictReader(f))
    else:
        rows = pq.read_table(destination).to_pylist()
    assert result.rows == len(rows)
    assert result.version == open_bundle(root / "model").version
    return rows


def raw_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["x,city,at,n,note", *lines]) + "\n", encoding="utf-8")
    return path


def test_the_predictions_are_those_of_training_and_of_a_request(fitted, tmp_path):
    made = pq.read_table(fitted / "data/features.parquet")
    rows = scored(fitted, fitted / "data/raw/e.csv", str(tmp_path / "out.parquet"))
    bundle = open_bundle(fitted / "model")
    booster = xgboost.Booster(model_file=bundle.model_file)
    trained = booster.inplace_predict(encode(made, bundle.manifest.features))
    at = [rows[i]["probability"] for i in made["__row__"].to_pylist()]
    np.testing.assert_allclose(at, trained, rtol=1e-6)
    events = made.select([i.name for i in bundle.manifest.inputs]).to_pylist()
    for event in events:
        event["at"] = event["at"].isoformat()
    served = RowEncoder(bundle.manifest, bundle.trees()).encode(events)
    np.testing.assert_array_equal(served, encode(made, bundle.manifest.features))


def test_columns_stay_as_they_stand_in_the_order_of_the_rows(fitted, tmp_path):
    lines = [f"{i}.50,{'äb'[i % 2]}x,2013-01-0{9 - i}T05:00:00+02:00,00{i},n°{i}" for i in range(9)]
    rows = scored(fitted, raw_csv(tmp_path / "in.csv", *lines), "out.csv")
    assert [r["note"] for r in rows] == [f"n°{i}" for i in range(9)]
    assert [r["x"] for r in rows] == [f"{i}.50" for i in range(9)]
    assert list(rows[0]) == ["x", "city", "at", "n", "note", "probability", "label"]
    assert {r["label"] for r in rows} <= {"true", "false"}


def test_joined_columns_that_the_table_has_are_taken_from_it(fitted, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("city,x,n,at,temp\näx,1,1,2013-01-05T05:00:00Z,42\näx,1,1,2013-01-28,42\n")
    own = scored(fitted, source, "out.parquet")
    source.write_text("city,x,n,at\näx,1,1,2013-01-28T00:00:00Z\n")
    made = scored(fitted, source, "out.parquet")
    source.write_text("city,x,n,at,temp\näx,1,1,2013-01-28T00:00:00Z,42\n")
    same = scored(fitted, source, "out.parquet")
    assert len(own) == 2
    assert made[0]["probability"] == same[0]["probability"]


def test_no_rows_give_a_file_with_the_columns(fitted, tmp_path):
    scored(fitted, raw_csv(tmp_path / "in.csv"), "out.parquet")
    names = pq.read_schema(tmp_path / "out.parquet").names
    assert names == ["x", "city", "at", "n", "note", "probability", "label"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["1,äx,2013-01-01,1,a", "1,äx,2013-01-01,one,b"], "row 1 .*column `n`: 'one' is no int"),
        (["1,äx,2013-01-01,1.5,a"], "row 0 .*column `n`: '1.5' is no integer"),
        (["1,äx,2013-01-01,,a"], "row 0 .*column `n`: null, and the model's input may not"),
        (["warm,äx,2013-01-01,1,a"], "row 0 .*column `x`: 'warm' is no float"),
        (["1,äx,soon,1,a"], "row 0 .*column `at`: 'soon' is no timestamp"),
    ],
)
def test_a_row_that_the_server_would_refuse_stops_it_and_nothing_is_written(
    fitted, tmp_path, lines, said
):
    with pytest.raises(DataError, match=said):
        scored(fitted, raw_csv(tmp_path / "in.csv", *lines), "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


def test_what_the_table_lacks_is_named(fitted, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("city,at,n\näx,2013-01-01,1\n")
    with pytest.raises(DataError, match="no column `x`, and the model needs it"):
        scored(fitted, source, "out.csv")
    with pytest.raises(UsageError, match="unknown ending"):
        scored(fitted, source, "out.xlsx")
    with pytest.raises(UsageError, match="is not a local file"):
        score(load_project(fitted), source, Path("s3://bucket/out.csv"), bundle=fitted / "model")
    with pytest.raises(UsageError, match="is the input itself"):
        score(load_project(fitted), source, source, bundle=fitted / "model")


def test_a_dry_run_checks_and_counts_and_writes_nothing(fitted, tmp_path):
    source = raw_csv(tmp_path / "in.csv", *["1,zx,2013-01-03T00:00:00Z,3,a"] * 3)
    out = tmp_path / "new" / "out.csv"
    ask = {"bundle": fitted / "model", "dry_run": True}
    result = score(load_project(fitted), source, out, **ask)
    assert (result.rows, result.written, result.output) == (3, False, str(out))
    assert list(result.names) == ["probability", "label"]
    (city,) = [column for column in result.columns if column.name == "city"]
    assert city.unseen == 3
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]
    wrong = raw_csv(tmp_path / "in.csv", "warm,äx,2013-01-01,1,a")
    with pytest.raises(DataError, match="'warm' is no float"):
        score(load_project(fitted), wrong, out, **ask)
    nested = {"x": [1.0], "city": ["bx"], "n": [3], "tags": [[1]], "at": ["2013-01-03T00:00:00Z"]}
    pq.write_table(pa.table(nested), tmp_path / "in.parquet")
    with pytest.raises(UsageError, match="which CSV cannot hold"):
        score(load_project(fitted), tmp_path / "in.parquet", out, **ask)


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.parquet"])
def test_what_is_there_is_replaced_if_it_is_an_earlier_scoring_or_by_force(fitted, tmp_path, name):
    source = raw_csv(tmp_path / "in.csv", "1,bx,2013-01-03T00:00:00Z,3,a")
    out = tmp_path / name
    out.touch()
    first = scored(fitted, source, name) if name != "out.tsv" else None
    raw_csv(source, "2,bx,2013-01-03T00:00:00Z,3,b", "1,bx,2013-01-03T00:00:00Z,3,a")
    ask = {"bundle": fitted / "model"}
    for _ in range(2):
        score(load_project(fitted), source, out, **ask)
    assert first is None or scored(fitted, source, name)[1] == first[0]
    pq.write_table(pa.table({"mine": [1]}), out)  # to CSV's readers it is no text
    mine = out.read_bytes()
    for dry_run in (True, False):
        with pytest.raises(UsageError, match=f"{name} exists, and is no earlier") as caught:
            score(load_project(fitted), source, out, dry_run=dry_run, **ask)
    assert "--force" in str(caught.value.hint)
    assert out.read_bytes() == mine
    assert {p.name for p in tmp_path.iterdir()} == {"in.csv", name}
    score(load_project(fitted), source, out, force=True, **ask)
    assert out.read_bytes() != mine
    out.write_text("x,city,at,n,note\n1,bx,2013-01-03T00:00:00Z,3,a\n")  # as raw as the input
    with pytest.raises(UsageError, match="no earlier scoring"):
        score(load_project(fitted), source, out, **ask)


def test_many_rows_are_read_in_chunks_and_stay_in_order(fitted, tmp_path):
    n, late = 300_000, 299_000
    city, x = np.where(np.arange(n) % 3, "äx", "bx"), np.sin(np.arange(n))
    moments = np.datetime64("2013-01-05T05", "s") + np.arange(n) % 100_000
    table = pa.table({"city": city, "x": x, "n": np.arange(n), "at": moments})
    pq.write_table(table, tmp_path / "in.parquet")
    pq.write_table(table.slice(late), tmp_path / "late.parquet")
    rows = scored(fitted, tmp_path / "in.parquet", "out.parquet")
    assert [r["n"] for r in rows] == list(range(n))
    assert scored(fitted, tmp_path / "late.parquet", "late-out.parquet") == rows[late:]
    assert len({r["probability"] for r in rows[late:]}) > 1


def test_a_nested_column_goes_to_parquet_and_not_to_csv(fitted, tmp_path):
    source = tmp_path / "in.parquet"
    table = {"x": [1.0], "city": ["bx"], "n": [3], "tags": [[1, 2]]}
    pq.write_table(pa.table(table | {"at": ["2013-01-03T00:00:00Z"]}), source)
    assert scored(fitted, source, "out.parquet")[0]["tags"] == [1, 2]
    with pytest.raises(UsageError, match=r"`tags` is list.*which CSV cannot hold"):
        scored(fitted, source, "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_word_for_missing_is_a_missing_number(fitted, tmp_path):
    lines = [f"{x},bx,2013-01-03T00:00:00Z,3,a" for x in ("NA", "", "NULL")]
    rows = scored(fitted, raw_csv(tmp_path / "in.csv", *lines), "out.parquet")
    assert len({row["probability"] for row in rows}) == 1


def test_from_csv_to_parquet_numbers_become_numbers_where_nothing_is_lost(fitted, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text(
        "x,city,at,n,paid,code,id,when,word\n"
        "1.50,bx,2013-01-03T00:00:00Z,3,NA,00123,12345678901234567890,2024-01-01,a\n"
        ",bx,2013-01-03T00:00:00Z,4,2.50,00124,12345678901234567891,2024-01-02,\n"
    )
    first, second = scored(fitted, source, "out.parquet")
    assert (first["x"], first["n"], second["x"]) == (1.5, 3, None)
    assert (first["paid"], second["paid"]) == (None, 2.5)
    assert (first["code"], first["id"]) == ("00123", "12345678901234567890")
    assert (first["when"], second["word"]) == (date(2024, 1, 1), None)


def test_csv_has_quotes_where_they_are_needed(fitted, tmp_path):
    lines = ['1,bx,2013-01-03T00:00:00Z,3,"a, ""b"""', "1,bx,2013-01-03T00:00:00Z,3,c"]
    scored(fitted, raw_csv(tmp_path / "in.csv", *lines), "out.csv")
    head, first, second = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert head == "x,city,at,n,note,probability,label"
    assert first.startswith(lines[0] + ",0.")
    assert second.startswith(lines[1] + ",0.")


def of_times(root: Path, unit: str) -> Path:
    """A table of durations and of times of day, both kept in `unit`."""
    size = {"us": 10**6, "ns": 10**9}[unit]
    rows = range(240)
    path = root / f"{unit}.parquet"
    waits = [None if i % 9 == 0 else i * 7 % 100 * size for i in rows]
    table = {
        "wait": pa.array(waits, pa.duration(unit)),
        "clock": pa.array(
            [i % 24 * 3600 * size + i % 2 * size // 8 for i in rows], pa.time64(unit)
        ),
        "late": [(i * 7) % 100 + i % 24 > 60 for i in rows],
    }
    pq.write_table(pa.table(table), path)
    return path


@pytest.fixture(scope="module")
def of_a_clock(tmp_path_factory) -> Path:
    """A project whose model was fitted on durations and times of day in nanoseconds."""
    root = tmp_path_factory.mktemp("clock")
    of_times(root, "ns")
    of_times(root, "us")
    (root / "contracts").mkdir()
    columns: dict[str, Any] = {"wait": {"type": "float", "nullable": True}}
    columns |= {"clock": {"type": "text"}, "late": {"type": "boolean"}}
    (root / "contracts/ns.yaml").write_text(json.dumps({"columns": columns}))
    config = {
        "project": "x",
        "task": "binary",
        "data": {"table": "ns.parquet", "target": "late"},
        "features": {"columns": ["wait", "clock"]},
    }
    (root / "mlops.yaml").write_text(json.dumps(config))
    featurize(load_project(root))
    fit(root)
    return root


def test_durations_and_times_of_day_are_the_same_in_every_unit_and_form(of_a_clock, tmp_path):
    root = of_a_clock
    from_ns = scored(root, root / "ns.parquet", str(tmp_path / "ns.parquet"))
    expected = [row["probability"] for row in from_ns]
    assert len(set(expected)) > 4
    from_us = scored(root, root / "us.parquet", str(tmp_path / "us.parquet"))
    assert [row["probability"] for row in from_us] == expected
    for name in ("wait", "clock"):  # the file's own columns stay
        assert pq.read_table(tmp_path / "us.parquet")[name].equals(
            pq.read_table(root / "us.parquet")[name]
        )
    for unit in ("ns", "us"):
        rows = scored(root, root / f"{unit}.parquet", str(tmp_path / "out.csv"))
        assert [float(row["probability"]) for row in rows] == expected
        assert [rows[i]["clock"] for i in (0, 1)] == ["00:00:00", "01:00:00.125"]
        assert [rows[i]["wait"] for i in (0, 1)] == ["", "7"]
        again = tmp_path / "again.csv"
        lines = [f"{row['wait']},{row['clock']}" for row in rows]
        again.write_text("\n".join(["wait,clock", *lines]) + "\n")
        back = scored(root, again, str(tmp_path / "back.parquet"))
        assert [row["probability"] for row in back] == expected


def test_contributions_stand_beside_the_predictions(fitted, tmp_path):
    out = tmp_path / "out.parquet"
    source = raw_csv(tmp_path / "in.csv", "1.0,äx,2013-01-05T05:00:00Z,3,-")
    project = load_project(fitted)
    result = score(project, source, out, bundle=fitted / "model", explain=True)
    (row,) = pq.read_table(out).to_pylist()
    parts = [v for n, v in row.items() if n.startswith("contribution_")]
    assert len(parts) == len(open_bundle(fitted / "model").manifest.features) + 1
    assert sum(parts) == pytest.approx(row["margin"], abs=1e-6)
    assert 1 / (1 + np.exp(-row["margin"])) == pytest.approx(row["probability"], abs=1e-6)
    assert (result.explained, result.error) == ("margin", None)
    assert pq.read_schema(out).names[:5] == ["x", "city", "at", "n", "note"]
