"""Rows of a log come back as a file of the same values, however a request wrote them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from fitted import project_of
from mlops_cli.actions.collect import collect
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.features.base import load_schemas
from mlops_cli.features.raw_table import raw_table_sql
from mlops_cli.scoring.sampled import recorded_rows
from mlops_cli.serving.encoder import RowEncoder
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW
from mlops_cli.tables.matrix import encode

EVENTS: list[dict[str, Any]] = [
    {
        "sex": "male",
        "smoker": "Yes",
        "joined": "01/31/2024",
        "seen": "2023-05-06",
        "mass": "NA",
        "fee": "1.234,5",
    },
    {
        "sex": "NA",
        "smoker": "No",
        "joined": "2024-01-31",
        "seen": "20230506",
        "mass": 2**60,
        "fee": 3.25,
    },
    {"sex": "x", "smoker": "z", "joined": "12/01/2024", "seen": 20231231, "mass": 3500.0},
    {"sex": None, "smoker": "No", "joined": "02/29/2024", "seen": "2023-02-28"},
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lines = ["sex;smoker;joined;seen;mass;fee;churn"]
    for i in range(300):
        cells = ["male" if i % 3 else "NA", "Yes" if i % 2 else "No", f"{i % 12 + 1:02}/13/2024"]
        seen = f"2023{i % 12 + 1:02}{i % 28 + 1:02}"
        mass = "NA" if i % 7 == 0 else str(3000 + i * 37 % 1000)
        fee = f"{i % 90},{i % 4 * 25:02}" if i % 11 else ""
        lines.append(";".join([*cells, seen, mass, fee, "Yes" if i * 7 % 5 < 2 else "No"]))
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    row = {"month": "month(joined)", "weekday": "dayofweek(seen)"}
    features = {"columns": ["sex", "smoker", "mass", "fee"], "row": row}
    return project_of(tmp_path, "t.csv", "churn", features=features)


def _record(root: Path, version: str, *inputs: dict[str, Any]) -> None:
    log = root / f"{version}.ndjson"
    lines = [
        {
            "time": f"2026-03-01T10:00:{second:02}Z", "request_id": f"r{second}", "row": 0,
            "model": "p", "version": version, "inputs": event,
            "prediction": {"probability": 0.25, "label": False}, "ms": 0.5,
        }
        for second, event in enumerate(inputs)
    ]  # fmt: skip
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    collect(load_project(root), files=[log])


def test_a_recorded_row_as_a_file_has_the_features_that_the_service_made(root: Path) -> None:
    project, bundle = load_project(root), open_bundle(root / "model")
    hashed = {
        "sex": "male",
        "smoker": "sha256:00",
        "joined": None,
        "seen": None,
        "mass": 1,
        "fee": None,
    }
    _record(root, "0" * 12, {"mass": 1})
    _record(root, bundle.version, *EVENTS, hashed)
    with open_engine() as engine:
        sampled = recorded_rows(engine, project, bundle, 5)
        assert sampled is not None
        assert (sampled.source, sampled.left_out) == ("recorded", 1)
        assert sampled.events == (*EVENTS[::-1],)  # the last first
        assert sampled.names == tuple(f"row 0 of request r{i}" for i in (3, 2, 1, 0))
        pq.write_table(sampled.table, root / "rows.parquet")
        schemas = load_schemas(project)
        sql = raw_table_sql(engine, project, schemas, bundle, root / "rows.parquet")
        made = engine.arrow(f"select * from ({sql}) order by {ROW}")
    expected = RowEncoder(bundle.manifest, bundle.trees()).encode(sampled.events)
    np.testing.assert_array_equal(encode(made, bundle.manifest.features), expected)


def test_of_another_version_there_are_no_rows(root: Path) -> None:
    project, bundle = load_project(root), open_bundle(root / "model")
    with open_engine() as engine:
        assert recorded_rows(engine, project, bundle, 5) is None
        _record(root, "0" * 12, EVENTS[0])
        assert recorded_rows(engine, project, bundle, 5) is None
