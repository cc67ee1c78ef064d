"""`mlops drift` from Python: which bundle, which rows, what is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from mlops_cli._json import canonical_json
from mlops_cli.actions.drift import drift
from mlops_cli.bundle.manifest import Feature, Input, Target
from mlops_cli.bundle.writer import Model, write_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import DRIFT_PAGE, DRIFT_REPORT
from mlops_cli.config.project import Project
from mlops_cli.errors import DataError, InconclusiveError, UsageError
from mlops_cli.expressions.tree import FeatureTree, FeatureTrees
from mlops_cli.features.expressions import parse
from mlops_cli.monitoring.drift.profile import build_profile

CONFIG = """
project: parcels
task: binary
data: {table: data/raw/parcels.csv, target: late}
features: {columns: [weight, depot], row: {heavy: "weight / 3.0"}}
"""
INPUTS = (
    Input("weight", "integer", True, None, "event"),
    Input("depot", "text", True, None, "event"),
)
TREES = tuple(
    FeatureTree(name, parse(text, {i.name: i.type for i in INPUTS}))
    for name, text in (("weight", "weight"), ("depot", "depot"), ("heavy", "weight / 3.0"))
)
FEATURES = (
    Feature("weight", "numeric"),
    Feature("depot", "category", ("N", "S")),
    Feature("heavy", "numeric"),
)


def parcels(n: int, seed: int, times: float = 1.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    weight = (rng.integers(1, 40, n) * times).astype(int)
    return pa.table({"weight": weight, "depot": rng.choice(["N", "S"], n), "extra": ["x"] * n})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/parcels.yaml").write_text(
        "columns: {weight: {type: integer, min: 1}, depot: {type: text}, late: {type: boolean}}"
    )
    return load_project(tmp_path)


@dataclass(frozen=True)
class Parts:
    inputs: tuple[Input, ...]
    features: tuple[Feature, ...]
    trees: tuple[FeatureTree, ...]
    profile: bytes


def write(path: Path, parts: Parts) -> None:
    model = Model(
        project="parcels",
        task="binary",
        target=Target("late"),
        classes=(False, True),
        kind="xgboost",
        inputs=parts.inputs,
        features=parts.features,
        modules={"numpy": "2", "xgboost": "3"},
    )
    files = {
        "model.ubj": b"drift does not look at the model",
        "features.json": canonical_json(FeatureTrees(parts.trees)),
        "profile.json": parts.profile,
        "golden.jsonl": b"",
        "requirements.txt": b"xgboost==3\n",
    }
    write_bundle(path, model, files, {})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    table = parcels(20_000, seed=0)
    heavy = pa.array(table["weight"].to_numpy() / 3.0, pa.float32())
    profile = build_profile(
        table.append_column("heavy", heavy),
        inputs=INPUTS,
        features=FEATURES,
        importance={"weight": 3, "depot": 1},
    )
    write(tmp_path / "bundle", Parts(INPUTS, FEATURES, TREES, profile))
    return tmp_path / "bundle"


def parquet(tmp_path: Path, table: pa.Table) -> Path:
    pq.write_table(table, tmp_path / "current.parquet")
    return tmp_path / "current.parquet"


def test_same_kind_of_rows_is_quiet_and_still_reported(
    project: Project, bundle: Path, tmp_path: Path
) -> None:
    result = drift(project, current=parquet(tmp_path, parcels(3000, seed=1)), bundle=bundle)
    assert not result.drifted
    assert {c.name for c in result.columns} == {"weight", "depot", "heavy"}
    assert result.rows == 3000
    assert result.report == DRIFT_PAGE
    assert "<html" in (tmp_path / DRIFT_PAGE).read_text(encoding="utf-8")
    stored = json.loads((tmp_path / DRIFT_REPORT).read_text())
    assert stored == json.loads(msgspec.json.encode(result))


def test_heavier_parcels_are_drift_of_the_column_and_what_is_computed_of_it(
    project: Project, bundle: Path, tmp_path: Path
) -> None:
    current = parquet(tmp_path, parcels(3000, seed=1, times=1.6))
    result = drift(project, current=current, bundle=bundle)
    assert result.drifted
    assert [c.name for c in result.columns] == ["weight", "heavy", "depot"]
    assert [c.drifted for c in result.columns] == [True, True, False]
    assert "2 of 3 columns drifted" in (tmp_path / DRIFT_PAGE).read_text(encoding="utf-8")


def test_csv_gives_the_numbers_of_parquet(project: Project, bundle: Path, tmp_path: Path) -> None:
    table = parcels(500, seed=2)
    pa.csv.write_csv(table, tmp_path / "current.csv")
    one = drift(project, current=tmp_path / "current.csv", bundle=bundle)
    other = drift(project, current=parquet(tmp_path, table), bundle=bundle)
    assert one.columns == other.columns


def test_text_where_numbers_were_is_drift_and_no_error(
    project: Project, bundle: Path, tmp_path: Path
) -> None:
    table = parcels(500, seed=2)
    table = table.set_column(0, "weight", pa.array(["heavy"] * 500))
    result = drift(project, current=parquet(tmp_path, table), bundle=bundle)
    assert result.columns[0].name == "weight"
    assert result.columns[0].statistic == "missing_share"


def test_column_that_is_not_there_is_named(project: Project, bundle: Path, tmp_path: Path) -> None:
    current = parquet(tmp_path, parcels(500, seed=2).drop_columns(["depot"]))
    with pytest.raises(DataError, match="depot"):
        drift(project, current=current, bundle=bundle)


def test_few_rows_are_inconclusive(project: Project, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InconclusiveError, match="7 rows"):
        drift(project, current=parquet(tmp_path, parcels(7, seed=2)), bundle=bundle)


def test_project_without_a_model_says_how_to_get_one(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no champion") as caught:
        drift(project, current=parquet(tmp_path, parcels(50, seed=2)))
    assert "mlops run" in (caught.value.hint or "")


WITH_JOIN = """
project: parcels
task: binary
data: {table: data/raw/parcels.csv, target: late, time: sent}
features:
  columns: [weight]
  join: [{table: data/raw/fees.csv, on: [depot], asof: since, columns: [fee]}]
"""


@pytest.fixture
def joined(tmp_path: Path) -> Project:
    """A project whose model takes `fee`, which a join makes: 10 for N, 20 for S."""
    for name, text in {
        "mlops.yaml": WITH_JOIN,
        "data/raw/fees.csv": "depot,since,fee\nN,2020-01-01,10\nS,2020-01-01,20\n",
        "contracts/parcels.yaml": "columns: {depot: {type: text}, sent: {type: text}, "
        "weight: {type: integer}, late: {type: boolean}}",
        "contracts/fees.yaml": "columns: {depot: {type: text}, since: {type: date}, "
        "fee: {type: integer}}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    inputs = (INPUTS[0], Input("fee", "integer", True, None, "join"))
    features = (FEATURES[0], Feature("fee", "numeric"))
    table = parcels(5000, seed=0)
    fees = pa.array([10 if depot == "N" else 20 for depot in table["depot"].to_pylist()])
    trees = [FeatureTree(i.name, parse(i.name, {i.name: i.type})) for i in inputs]
    profile = build_profile(
        table.append_column("fee", fees), inputs=inputs, features=features, importance={"fee": 1}
    )
    write(tmp_path / "bundle", Parts(inputs, features, tuple(trees), profile))
    return load_project(tmp_path)


def sent(n: int) -> pa.Table:
    return parcels(n, seed=1).append_column("sent", pa.array(["2021-05-01T10:00:00Z"] * n))


def test_joined_column_that_the_table_lacks_is_made(joined: Project, tmp_path: Path) -> None:
    result = drift(joined, current=parquet(tmp_path, sent(2000)), bundle=tmp_path / "bundle")
    assert not result.drifted
    (fee,) = (c for c in result.columns if c.name == "fee")
    assert fee.missing_current == 0


def test_joined_column_that_the_table_has_is_taken_as_it_is(
    joined: Project, tmp_path: Path
) -> None:
    current = sent(2000).drop_columns(["depot", "sent"]).append_column("fee", pa.array([10] * 2000))
    result = drift(joined, current=parquet(tmp_path, current), bundle=tmp_path / "bundle")
    assert [c.name for c in result.columns if c.drifted] == ["fee"]


def test_key_of_a_join_that_is_not_there_is_named(joined: Project, tmp_path: Path) -> None:
    current = parquet(tmp_path, sent(100).drop_columns(["depot"]))
    with pytest.raises(DataError, match="depot"):
        drift(joined, current=current, bundle=tmp_path / "bundle")
