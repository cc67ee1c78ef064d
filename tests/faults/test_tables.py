"""Tables that `init` refuses, and tables that look odd and must work all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bad_tables import REFUSED, TAKEN, Bad, as_csv
from command_line import Mlops, mlops_process
from mlops_cli.stages import stage
from said import check, leftovers


def put(folder: Path, bad: Bad) -> Path:
    path = folder / f"table.{bad.suffix}"
    path.write_bytes(bad.content)
    return path


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: bad.name)
def test_init_refuses_and_leaves_nothing(tmp_path: Path, mlops: Mlops, bad: Bad) -> None:
    data = put(tmp_path, bad)
    asked = ("--data", data.name, "--target", bad.target, *bad.options)
    check(mlops(tmp_path, "init", "p", *asked), bad.name)
    assert [p.name for p in tmp_path.iterdir() if p.name != "home"] == [data.name]


@pytest.mark.parametrize("bad", TAKEN, ids=lambda bad: bad.name)
def test_init_takes_it_and_features_are_made(tmp_path: Path, mlops: Mlops, bad: Bad) -> None:
    asked = ("--data", put(tmp_path, bad).name, "--target", bad.target, *bad.options)
    check(mlops(tmp_path, "init", "p", *asked), bad.name)
    for name in ("validate", "featurize"):  # by the door that DVC knocks at
        done = mlops(tmp_path / "p", "stage", name, "--revision", stage(name).revision)
        assert done.code == 0, done.said
    assert leftovers(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("bad", TAKEN, ids=lambda bad: bad.name)
def test_the_whole_loop_takes_it(tmp_path: Path, bad: Bad) -> None:
    data = put(tmp_path, bad)
    asked = ("--data", data.name, "--target", bad.target, *bad.options)
    assert mlops_process(tmp_path, "init", "p", *asked).code == 0
    config = tmp_path / "p/mlops.yaml"
    config.write_text(config.read_text().replace("tune: {}", "tune: {trials: 2, rounds: 5}"))
    ran = mlops_process(tmp_path / "p", "run")
    assert ran.code == 0, ran.said
    scored = mlops_process(tmp_path / "p", "score", data, "out.parquet", "--json")
    assert scored.code == 0, scored.said
    answer = next(line for line in scored.said.splitlines() if line.startswith("{"))
    assert json.loads(answer)["result"]["rows"] > 0
    drifted = mlops_process(tmp_path / "p", "drift", "--current", data)
    assert drifted.code == (6 if bad.name == "ten-rows" else 0), drifted.said


@pytest.mark.slow
def test_two_thousand_columns(tmp_path: Path) -> None:
    cells = {f"c{n}": [(i * (n + 3)) % 101 / 8 for i in range(200)] for n in range(2000)}
    (tmp_path / "wide.csv").write_text(as_csv({**cells, "y": [i * 7 % 5 // 3 for i in range(200)]}))
    made = mlops_process(tmp_path, "init", "p", "--data", "wide.csv", "--target", "y")
    check(made, "two-thousand-columns")
    ran = mlops_process(tmp_path / "p", "run", "featurize")
    assert ran.code == 0, ran.said
