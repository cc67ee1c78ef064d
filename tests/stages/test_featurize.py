"""featurize on a small project: which rows, which columns, in which order, and every no."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.bundle.plan import FeaturePlan
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError, EnvironmentFault, UsageError
from mlops_cli.memory import memory
from mlops_cli.stages.featurize import featurize
from mlops_cli.tables import open_engine, open_project_engine

CONTRACT = {
    "at": "timestamp",
    "origin": "text",
    "x": "float",
    "n": "integer",
    "delay": "float",
    "kind": "text",
}
JOIN = {"table": "data/raw/w.csv", "on": ["origin"], "asof": "at", "lag": "1h", "columns": ["temp"]}
START = datetime(2013, 1, 1)
NAN = float("nan")


def write(root: Path, config: dict, rows: list[tuple] | None = None) -> None:
    (root / "data/raw").mkdir(parents=True, exist_ok=True)
    (root / "contracts").mkdir(exist_ok=True)
    rows = rows if rows is not None else ROWS
    columns = {name: [row[i] for row in rows] for i, name in enumerate(CONTRACT)}
    columns["at"] = [f"{t.isoformat()}Z" if t else None for t in columns["at"]]
    kinds = {"float": pa.float64(), "integer": pa.int64()}
    schema = pa.schema({n: kinds.get(t, pa.string()) for n, t in CONTRACT.items()})
    pq.write_table(pa.table(columns, schema=schema), root / "data/raw/e.parquet")
    (root / "data/raw/w.csv").write_text(
        "origin,at,temp\nA,2012-12-31T23:00:00Z,1.5\nA,2013-01-01T00:00:00Z,2.5\nB,2013-01-01,9\n"
    )
    contract(root / "contracts/e.yaml", CONTRACT)
    contract(root / "contracts/w.yaml", {"origin": "text", "at": "timestamp", "temp": "float"})
    (root / "mlops.yaml").write_text(json.dumps({"project": "x", "task": "binary", **config}))


def contract(path: Path, types: dict[str, str]) -> None:
    columns = {n: {"type": t, "nullable": n not in ("at", "n")} for n, t in types.items()}
    path.write_text(json.dumps({"columns": columns}))


ROWS = [
    (START + timedelta(hours=1), "A", 1.0, 3, 20.0, "b"),
    (START, "A", NAN, 2, 5.0, "a"),
    (START, "B", None, 1, 30.0, "c"),
    (START + timedelta(hours=2), "B", 2.0, 4, None, "a"),
    (START - timedelta(hours=1), "C", 3.0, 5, NAN, "b"),
    (START, None, 4.0, 6, 0.0, "a"),
]
DATA = {"table": "data/raw/e.parquet", "target": "late = delay > 15", "time": "at"}
FEATURES = {
    "columns": ["origin", "x"],
    "row": {"h": "hour(at)", "w": "coalesce(x, -1)", "o": "lower(origin)", "q": "n // (n - 1)"},
    "join": [JOIN],
}


def run(root: Path):
    result = featurize(load_project(root))
    return result, pq.read_table(root / "data/features.parquet").to_pylist()


def test_rows_are_ordered_by_time_then_source_and_nan_is_null(tmp_path):
    write(tmp_path, {"data": DATA, "features": FEATURES})
    result, rows = run(tmp_path)
    assert (result.rows, result.without_target, result.quarantined) == (4, 2, 0)
    assert [r["__row__"] for r in rows] == [1, 2, 5, 0]
    assert [r["__time__"] for r in rows] == [START, START, START, START + timedelta(hours=1)]
    assert [r["__target__"] for r in rows] == [False, True, False, True]
    assert [r["x"] for r in rows] == [None, None, 4.0, 1.0]
    assert [r["w"] for r in rows] == [-1, -1, 4, 1]
    assert [r["temp"] for r in rows] == [1.5, None, None, 2.5]
    assert [r["q"] for r in rows] == [2, None, 1, 1]
    assert [r["o"] for r in rows] == ["a", "b", None, "a"]
    assert result.classes == (False, True)


def test_the_plan_says_what_the_columns_are(tmp_path):
    write(tmp_path, {"data": DATA, "features": FEATURES})
    run(tmp_path)
    plan = msgspec.json.decode((tmp_path / "data/features.json").read_bytes(), type=FeaturePlan)
    table = pq.read_schema(tmp_path / "data/features.parquet")
    inputs = [i.name for i in plan.inputs]
    assert inputs == ["origin", "x", "at", "n", "temp"]
    assert table.names == ["__row__", "__time__", "__target__", *inputs, "h", "w", "o", "q"]
    assert [f.name for f in plan.features] == ["origin", "x", "h", "w", "o", "q", "temp"]
    assert [t.name for t in plan.trees] == [f.name for f in plan.features]
    assert table.field("w").type == pa.float32()
    assert table.field("at").type == pa.timestamp("us")
    assert plan.target.expression == "delay > 15"


def test_two_runs_and_another_time_zone_give_the_same_bytes(tmp_path):
    write(tmp_path, {"data": DATA, "features": FEATURES})
    run(tmp_path)
    files = [tmp_path / "data/features.parquet", tmp_path / "data/features.json"]
    first = [f.read_bytes() for f in files]
    program = (
        "from mlops_cli.config.load import load_project as l;"
        "from mlops_cli.stages.featurize import featurize as f; f(l())"
    )
    environment = {"TZ": "Asia/Tokyo", "MLOPS_PROJECT": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    assert [f.read_bytes() for f in files] == first


def test_rejected_rows_are_left_out_and_counted_once(tmp_path):
    write(tmp_path, {"data": DATA, "features": FEATURES})
    bad = {"table": ["data/raw/e.parquet"] * 2 + ["data/raw/w.csv"], "row": [2, 2, 1]}
    pq.write_table(pa.table(bad), tmp_path / "data/rejected.parquet")
    result, rows = run(tmp_path)
    assert (result.rows, result.without_target, result.quarantined) == (3, 2, 1)
    assert [r["__row__"] for r in rows] == [1, 5, 0]
    assert [r["temp"] for r in rows] == [1.5, None, 1.5]


def test_without_a_time_the_order_is_the_files_own(tmp_path):
    data = {"table": "data/raw/e.parquet", "target": "kind"}
    features = {"columns": ["x"]}
    write(tmp_path, {"task": "multiclass", "data": data, "features": features})
    result, rows = run(tmp_path)
    assert [r["__row__"] for r in rows] == list(range(6))
    assert result.classes == ("a", "b", "c")
    assert "__time__" not in rows[0]


def test_a_regressions_target_is_a_finite_number(tmp_path):
    data = {"table": "data/raw/e.parquet", "target": "y = delay / (n - 3)"}
    write(tmp_path, {"task": "regression", "data": data, "features": {"columns": ["n"]}})
    result, rows = run(tmp_path)
    assert result.classes is None
    assert [r["__target__"] for r in rows] == [-5.0, -15.0, 0.0]


def test_a_float_of_whole_numbers_is_a_class(tmp_path):
    rows = [(START, "A", float(i % 2), i, 1.0, "a") for i in range(4)]
    rows.append((START, "A", None, 9, 1.0, "a"))
    data = {"table": "data/raw/e.parquet", "target": "x"}
    write(tmp_path, {"data": data, "features": {"columns": ["n"]}}, rows)
    result, _ = run(tmp_path)
    assert (result.classes, result.without_target) == ((0, 1), 1)


@pytest.mark.parametrize(
    ("target", "task", "rows", "said"),
    [
        ("late = delay > 99", "binary", ROWS, "is False in every row"),
        ("kind", "binary", ROWS, "has 3 classes: 'a', 'b', 'c'"),
        ("late = delay > 15", "binary", [], "leaves no row"),
        ("late = delay > 15", "binary", [(START, "A", 1.0, 1, None, "a")], "1 have no target"),
        (
            "x",
            "multiclass",
            [(START, "A", 1.5, 1, None, "a")],
            "holds 1.5, which is not a class label",
        ),
    ],
)
def test_a_target_that_cannot_be_learnt_is_refused(tmp_path, target, task, rows, said):
    data = {"table": "data/raw/e.parquet", "target": target}
    write(tmp_path, {"task": task, "data": data, "features": {"columns": ["n"]}}, rows)
    with pytest.raises(DataError, match=said) as e:
        run(tmp_path)
    assert e.value.hint


def test_a_missing_contract_is_named(tmp_path):
    write(tmp_path, {"data": DATA, "features": FEATURES})
    (tmp_path / "contracts/w.yaml").unlink()
    with pytest.raises(UsageError, match=r"data/raw/w\.csv has no contract: contracts/w\.yaml"):
        run(tmp_path)


def test_a_nan_is_missing_where_the_file_s_statistics_know_of_none(tmp_path: Path) -> None:
    rows = [(START, "A", NAN if i % 3 else float(i), i, float(i % 2), "a") for i in range(60)]
    row = {"y": "coalesce(x, -1.0)", "none": "x is null", "odd": "isnan(x)", "big": "x > 2"}
    write(
        tmp_path,
        {
            "data": {"table": "data/raw/e.parquet", "target": "late = delay > 0"},
            "features": {"columns": ["x", "n"], "row": row},
        },
        rows,
    )
    featurize(load_project(tmp_path))
    found = pq.read_table(tmp_path / "data/features.parquet").to_pylist()
    for made in found:
        there = made["n"] % 3 == 0
        want = (made["n"], made["n"], False, False, made["n"] > 2) if there else None
        got = tuple(made[name] for name in ("x", "y", "none", "odd", "big"))
        assert got == (want or (None, -1.0, True, None, None))


def test_the_engine_can_spill_in_a_project_that_has_no_folder_for_it(tmp_path: Path) -> None:
    with open_engine(temporary=tmp_path / ".mlops/tmp") as engine:
        ((folder, most),) = engine.rows(
            "select current_setting('temp_directory'), current_setting('memory_limit')"
        )
    assert Path(folder).parent.is_dir()
    assert most == "953.6 MiB"


def test_the_engine_spills_elsewhere_where_the_project_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()  # below it nobody makes a folder, not even root
    with open_engine(temporary=tmp_path / "file/.mlops/tmp") as engine:
        ((folder,),) = engine.rows("select current_setting('temp_directory')")
    assert Path(folder).parent == Path(tempfile.gettempdir())


@pytest.mark.parametrize(
    ("engine", "over_time", "most"),
    [
        ({"memory": "2Gi"}, False, "1.3 GiB"),
        ({"memory": "2Gi"}, True, "1.3 GiB"),
        ({"memory": "512Mi"}, True, "153.5 MiB"),
        ({}, False, "953.6 MiB"),
    ],
)
def test_the_engine_keeps_within_what_it_is_given(
    tmp_path: Path, engine: dict, over_time: bool, most: str
) -> None:
    write(tmp_path, {"data": {"table": "data/raw/e.parquet", "target": "n"}, "engine": engine,
        "features": {"columns": ["x"]}})  # fmt: skip
    with open_project_engine(load_project(tmp_path), over_time=over_time) as opened:
        assert opened.rows("select current_setting('memory_limit')") == [(most,)]


def test_by_default_half_of_the_machine_is_for_joins_in_time(tmp_path: Path) -> None:
    write(tmp_path, {"data": {"table": "data/raw/e.parquet", "target": "n"},
        "features": {"columns": ["x"]}})  # fmt: skip
    project = load_project(tmp_path)
    assert project.memory == memory() // 2
    assert not project.config.features.over_time
    config = {"data": {"table": "data/raw/e.parquet", "target": "n", "time": "at"},
        "features": {"columns": ["x"], "join": [JOIN]}}  # fmt: skip
    write(tmp_path, config)
    assert load_project(tmp_path).config.features.over_time


def test_memory_that_nothing_can_work_with_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"data": {"table": "data/raw/e.parquet", "target": "n"},
        "features": {"columns": ["x"]}, "engine": {"memory": "100Mi"}})  # fmt: skip
    with pytest.raises(UsageError, match=r"engine\.memory.*100Mi is not enough.*512Mi or more"):
        load_project(tmp_path)


def test_what_does_not_fit_and_cannot_spill_says_so(tmp_path: Path) -> None:
    with (
        open_engine(temporary=tmp_path / "t", memory="30MB") as engine,
        pytest.raises(EnvironmentFault, match="out of memory, of which DuckDB was given") as e,
    ):
        engine.rows("select max(len(l)) from (select list(i) as l from range(6000000) t(i))")
    assert "engine.memory" in (e.value.hint or "")
    assert "engine.spark" in (e.value.hint or "")
