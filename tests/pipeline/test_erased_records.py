"""What was predicted for a subject, and what came of it, is found however a line names it."""

from __future__ import annotations

import hmac
import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.monitoring.collected.recorded import LABEL_SCHEMA, PREDICTION_SCHEMA
from mlops_cli.pipeline.erasure.base import Search, Subject
from mlops_cli.pipeline.erasure.recorded import RecordedRows
from mlops_cli.progress import QUIET

NEEDLE, OTHER = "person-00123-zq", "person-00124-zq"
DAY = "date=2026-01-02/0001.parquet"


def _prediction(request: str, row: int, ids: object, inputs: object) -> dict[str, Any]:
    return {"time": datetime(2026, 1, 2), "request_id": request, "row": row,
            "id": json.dumps(ids), "inputs": json.dumps(inputs), "segment": "s"}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "mlops.yaml").write_text(
        "project: p\ntask: binary\ndata: {table: t.csv, target: y, id: {event: [person]}}\n"
    )
    digest = sha256(f'"{NEEDLE}"'.encode()).hexdigest()
    predictions = [
        _prediction("r1", 0, {"person": NEEDLE}, {"city": "Oslo"}),
        _prediction("r1", 1, {"person": OTHER}, {"city": "Oslo"}),
        _prediction("r2", 0, {"person": f"sha256:{digest}"}, {}),
        _prediction("r3", 0, {"person": OTHER}, {"city": NEEDLE}),
        _prediction("r4", 0, {}, {"person": NEEDLE}),
    ]
    labels = [
        {"request_id": "r1", "row": 0, "label": "1"},
        {"request_id": "r1", "row": 1, "label": "1"},
        {"request_id": "r3", "row": None, "label": "0"},
        {"request_id": "r4", "row": None, "label": "0"},
        {"id": json.dumps({"person": NEEDLE}), "label": "1"},
    ]
    for kind, rows, schema in (
        ("predictions", predictions, PREDICTION_SCHEMA),
        ("labels", labels, LABEL_SCHEMA),
    ):
        file = tmp_path / "monitoring" / kind / DAY
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema), file)
    return load_project(tmp_path)


def test_by_id_by_input_as_a_digest_and_by_the_request(project: Project) -> None:
    place = RecordedRows()
    found = place.find(Search(project, Subject("person", NEEDLE), QUIET))
    assert [(f.where, f.rows) for f in found] == [
        ("monitoring/predictions", 3), ("monitoring/labels", 3)]  # fmt: skip
    for task in (f.task for f in found):
        assert task is not None
        assert NEEDLE not in json.dumps(task)
        for _ in range(2):  # done twice, it is done once
            place.erase(project, task)
    kept = pq.read_table(project.root / "monitoring/predictions" / DAY)
    assert [*zip(kept["request_id"].to_pylist(), kept["row"].to_pylist(), strict=True)] == [
        ("r1", 1), ("r3", 0)]  # fmt: skip
    kept = pq.read_table(project.root / "monitoring/labels" / DAY)
    assert kept["request_id"].to_pylist() == ["r1", "r3"]


def test_a_digest_under_a_key_is_found_with_the_key_and_told_without_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.root / "monitoring/predictions" / DAY
    sealed = [hmac.new(b"k", f'"{who}"'.encode(), "sha256").hexdigest() for who in (NEEDLE, OTHER)]
    rows = [
        _prediction(f"h{i}", 0, {"person": f"hmac-sha256:{digest}"}, {})
        for i, digest in enumerate(sealed)
    ]
    pq.write_table(pa.Table.from_pylist(rows, PREDICTION_SCHEMA), file)
    place, search = RecordedRows(), Search(project, Subject("person", NEEDLE), QUIET)
    monkeypatch.delenv("MLOPS_HASH_KEY", raising=False)
    left = next(f for f in place.find(search) if f.where == "monitoring/predictions")
    assert left.task is None
    assert "set MLOPS_HASH_KEY" in (left.why or "")

    monkeypatch.setenv("MLOPS_HASH_KEY", "k")
    found = next(f for f in place.find(search) if f.where == "monitoring/predictions")
    assert (found.rows, found.why) == (1, None)
    assert found.task is not None
    place.erase(project, found.task)
    assert pq.read_table(file)["request_id"].to_pylist() == ["h1"]


def test_a_log_that_was_uploaded_is_told(project: Project) -> None:
    config = project.root / "mlops.yaml"
    config.write_text(config.read_text() + "serve: {log: {to: 's3://bucket/log'}}\n")
    uploading = load_project(project.root)
    place, subject = RecordedRows(), Subject("person", "nobody")
    (found,) = place.find(Search(uploading, subject, QUIET))
    assert (found.where, found.task) == ("segments at s3://bucket/log", None)
    assert "segments uploaded to s3://bucket/log" in place.names(uploading)
