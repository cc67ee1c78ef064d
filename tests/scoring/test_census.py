"""`score` says which values training never saw or had, and with `--strict` it stops for them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fitted import project_of
from mlops_cli.actions.score import ScoreResult, score
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError
from mlops_cli.scoring.census import describe

ZIPS = [f"{z:05}" for z in (1502, 2139, 6510, 10001, 3755)]


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders with a zip code of text, an amount, and the weather of the day joined."""
    root = tmp_path_factory.mktemp("shops")
    rng = np.random.default_rng(0)
    n = 600
    zips = rng.choice(ZIPS, n)
    at = np.datetime64("2024-01-01", "us") + rng.integers(0, 90, n).astype("timedelta64[D]")
    table = {
        "at": at,
        "zip": zips,
        "amount": rng.uniform(0, 100, n),
        "returned": (zips == "01502") ^ (rng.random(n) < 0.1),
    }
    pq.write_table(pa.table(table), root / "orders.parquet")
    days = np.datetime64("2024-01-01", "us") + np.arange(90).astype("timedelta64[D]")
    pq.write_table(pa.table({"at": days, "rain": rng.random(90)}), root / "weather.parquet")
    join = {"table": "weather.parquet", "asof": "at", "ttl": "2d", "columns": ["rain"]}
    return project_of(
        root,
        "orders.parquet",
        "returned",
        data={"time": "at"},
        features={"columns": ["zip", "amount"], "join": [join]},
    )


def table_of(rows: int = 200, **columns: object) -> pa.Table:
    rng = np.random.default_rng(1)
    usual = {
        "at": np.datetime64("2024-02-01", "us") + np.arange(rows).astype("timedelta64[m]"),
        "zip": rng.choice(ZIPS, rows),
        "amount": rng.uniform(0, 100, rows),
    }
    return pa.table({**usual, **columns})


def scored(root: Path, folder: Path, table: pa.Table, *, strict: bool = False) -> ScoreResult:
    pq.write_table(table, folder / "in.parquet")
    return score(
        load_project(root),
        folder / "in.parquet",
        folder / "out.csv",
        bundle=root / "model",
        strict=strict,
    )


def unusual(result: ScoreResult) -> dict[str, str]:
    return {c.name: describe(c, result.rows) for c in result.columns if c.unusual}


def test_rows_like_those_of_training_are_quiet_and_pass_a_strict_run(shops, tmp_path) -> None:
    result = scored(shops, tmp_path, table_of(), strict=True)
    assert unusual(result) == {}
    assert {c.name for c in result.columns} == {"zip", "amount", "rain"}
    assert (tmp_path / "out.csv").exists()


def test_a_zip_code_that_became_a_number_is_told_with_its_lost_zeros(shops, tmp_path) -> None:
    numbers = [int(z) for z in np.random.default_rng(1).choice(ZIPS, 200)]
    result = scored(shops, tmp_path, table_of(zip=numbers))
    column = result.columns[0]
    lost = sum(n < 10_000 for n in numbers)
    assert (column.name, column.unseen, column.unusual) == ("zip", lost, True)
    assert "the leading zeros are lost" in (column.why or "")


def test_a_word_for_missing_that_training_never_saw_is_told_with_the_mend(shops, tmp_path) -> None:
    """Trained on a file with real nulls, scored on one that writes them."""
    table = table_of(zip=["NA" if i % 4 == 0 else ZIPS[0] for i in range(200)])
    said = unusual(scored(shops, tmp_path, table))["zip"]
    assert "50 of 200 values were never seen in training, such as 'NA'" in said
    assert "write `missing: [NA]` in the contract" in said


def test_a_join_whose_table_is_old_is_told_with_its_newest_row(shops, tmp_path) -> None:
    late = np.datetime64("2024-06-01", "us") + np.arange(200).astype("timedelta64[m]")
    result = scored(shops, tmp_path, table_of(at=late))
    said = unusual(result)["rain"]
    assert "200 of 200 are missing (0.0% in training)" in said
    assert "weather.parquet, whose newest row is of 2024-03-30" in said


def test_numbers_beyond_those_of_training_are_told(shops, tmp_path) -> None:
    cents = np.random.default_rng(1).uniform(0, 10_000, 200)
    result = scored(shops, tmp_path, table_of(amount=cents))
    assert unusual(result).keys() == {"amount"}


def test_a_few_new_values_are_counted_but_not_unusual(shops, tmp_path) -> None:
    zips = [*np.random.default_rng(1).choice(ZIPS, 199), "99999"]
    result = scored(shops, tmp_path, table_of(zip=zips), strict=True)
    (column,) = [c for c in result.columns if c.name == "zip"]
    assert (column.unseen, column.example, column.unusual) == (1, "99999", False)


def test_strict_stops_with_exit_3_and_writes_nothing(shops, tmp_path) -> None:
    table = table_of(zip=["1502"] * 200)
    with pytest.raises(DataError, match="zip: 200 of 200 values were never seen"):
        scored(shops, tmp_path, table, strict=True)
    assert not (tmp_path / "out.csv").exists()
    files = [str(tmp_path / "in.parquet"), str(tmp_path / "out.csv")]
    options = ["--project", str(shops), "--bundle", str(shops / "model"), "--strict"]
    command = [sys.executable, "-m", "mlops_cli", "score", *files, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "zip: 200 of 200 values" in done.stderr) == (3, True)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_prediction_gets_another_name_where_a_column_has_it(tmp_path, suffix) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"Value": rng.random(200), "temp": rng.random(200)})
    pq.write_table(table, tmp_path / "t.parquet")
    root = project_of(
        tmp_path, "t.parquet", "temp", task="regression", features={"columns": ["Value"]}
    )
    out = tmp_path / f"out.{suffix}"
    result = score(load_project(root), tmp_path / "t.parquet", out, bundle=root / "model")
    assert result.names == {"value": "predicted_value"}
    if suffix == "parquet":
        names = pq.read_table(out).column_names
    else:
        with out.open(newline="") as file:
            names = next(csv.reader(file))
    assert names == ["Value", "temp", "predicted_value"]
    again = score(load_project(root), out, tmp_path / f"again.{suffix}", bundle=root / "model")
    assert again.names == {"value": "predicted_predicted_value"}
