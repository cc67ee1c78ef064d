"""`mlops features`: each feature, how it is made, and the source columns of its value."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import Mlops
from mlops_cli.config.load import load_project
from mlops_cli.contracts.missing import write_missing_contracts

CONFIG = """\
project: p
task: binary
data: {table: data/raw/trips.parquet, target: late, time: at}
features:
  columns: [km]
  row: {warm: "temp > 20 and km < 5"}
  join: [{table: data/raw/weather.parquet, on: [city], asof: at, lag: 1h, columns: [temp]}]
  aggregates:
    - {name: rain_day, expr: "sum(rain) / count(*)", table: data/raw/weather.parquet, by: [city],
       window: 24h, lag: 1h}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "mlops.yaml").write_text(CONFIG)
    at = ["2024-01-01T00:00:00", "2024-01-02T00:00:00"]
    trips = {"at": at, "city": ["a", "b"], "km": [1.5, 2.5], "late": [0, 1]}
    weather = {"at": at, "city": ["a", "b"], "temp": [1.5, 2.5], "rain": [0.5, 0.25]}
    for name, columns in {"trips": trips, "weather": weather}.items():
        pq.write_table(pa.table(columns), tmp_path / f"data/raw/{name}.parquet")
    write_missing_contracts(load_project(tmp_path))
    return tmp_path


def test_lineage_leads_to_the_source_columns(root: Path, mlops: Mlops) -> None:
    found = mlops(root, "features", "lineage", "--json", code=0).result
    weather, trips = "data/raw/weather.parquet", "data/raw/trips.parquet"
    sources = {
        f["name"]: [(s["table"], s["column"]) for s in f["sources"]] for f in found["features"]
    }
    assert sources == {
        "km": [(trips, "km")],
        "warm": [(weather, "temp"), (trips, "km")],
        "temp": [(weather, "temp")],
        "rain_day": [(weather, "rain")],
    }
    keys = {f["name"]: [s["column"] for s in f["keys"]] for f in found["features"]}
    assert keys == {"km": [], "warm": ["city", "at"], "temp": ["city", "at"],
                    "rain_day": ["city", "at"]}  # fmt: skip
    assert f"{weather}: rain" in mlops(root, "features", "lineage", code=0).out
    chart = mlops(root, "features", "lineage", "--mermaid", code=0).out
    assert chart.startswith("flowchart LR\n")
    assert f'["{weather}: rain"]' in chart
    assert chart.count("-->") == 5


def test_features_are_listed_with_how_they_are_made(root: Path, mlops: Mlops) -> None:
    out = mlops(root, "features", "list", code=0).out
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["km", "column", "float"],
        ["warm", "row", "boolean"],
        ["temp", "join", "float"],
        ["rain_day", "aggregate", "float"],
    ]
    shown = mlops(root, "features", "show", "rain_day", "--json", code=0).result["features"]
    assert [f["made"] for f in shown] == [
        "sum(rain) / count(*) of data/raw/weather.parquet by city over 1d, lag 1h"
    ]
    assert "did you mean 'rain_day'" in mlops(root, "features", "show", "rainday", code=2).err
    assert "which feature" in mlops(root, "features", "show", code=2).err
