"""`mlops drift` of a table about subjects, and what it says where it cannot tell them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fitted import project_of
from mlops_cli.actions.drift import drift
from mlops_cli.config.load import load_project
from mlops_cli.errors import UsageError
from mlops_cli.stages.featurize import featurize


class Said:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, message: str, done: int | None = None, total: int | None = None) -> None:
        """Nothing: it is gone with the next one."""

    def log(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("subjects")
    rng = np.random.default_rng(0)
    ids = np.repeat(rng.permutation(300), 8)
    spend, churn = rng.gamma(4, 10, 300), rng.random(300) < 0.4
    table = {
        "customer": ids,
        "spend": spend[ids] + rng.normal(0, 1, 2400),
        "age": rng.integers(18, 90, 300)[ids],
        "churn": churn[ids],
    }
    pq.write_table(pa.table(table), root / "t.parquet")
    data = {"id": {"subject": ["customer"]}}
    return project_of(root, "t.parquet", "churn", data=data, features={"columns": ["spend", "age"]})


def window(root: Path, folder: Path, seed: int) -> Path:
    table = pq.read_table(root / "t.parquet")
    chosen = np.random.default_rng(seed).choice(300, 60, replace=False)
    pq.write_table(
        table.filter(np.isin(np.asarray(table["customer"]), chosen)), folder / "w.parquet"
    )
    return folder / "w.parquet"


def test_a_customer_counts_once(root: Path, tmp_path: Path) -> None:
    project = load_project(root)
    alarms = 0
    for seed in range(25):
        result = drift(project, current=window(root, tmp_path, seed), bundle=root / "model")
        assert result.rows == 60
        alarms += result.drifted
    assert alarms <= 3


def test_a_table_without_its_subjects_is_compared_by_rows_and_that_is_said(
    root: Path, tmp_path: Path
) -> None:
    path, said = window(root, tmp_path, 0), Said()
    pq.write_table(pq.read_table(path).drop_columns(["customer"]), path)
    result = drift(load_project(root), current=path, bundle=root / "model", progress=said)
    assert result.rows == 480
    assert any("w.parquet has no customer: every row counts" in line for line in said.lines)


def test_an_identity_goes_to_the_features_and_is_none(root: Path) -> None:
    made = pq.read_table(root / "data/features.parquet")
    table = pq.read_table(root / "t.parquet")
    assert made["__id__customer"].equals(table["customer"])
    text = (root / "mlops.yaml").read_text()
    try:
        for feature in ('"columns": ["spend", "customer"]', '"row": {"a": "customer % 2"}'):
            (root / "mlops.yaml").write_text(text.replace('"columns": ["spend", "age"]', feature))
            with pytest.raises(UsageError, match=r"reads `customer`, which data\.id names"):
                featurize(load_project(root))
        (root / "mlops.yaml").write_text(text.replace('["customer"]', '["costumer"]'))
        with pytest.raises(UsageError, match=r"data\.id\.subject.*costumer"):
            featurize(load_project(root))
    finally:
        (root / "mlops.yaml").write_text(text)
