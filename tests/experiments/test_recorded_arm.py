"""The champion before a rollout, from the collected log."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlops_cli.bundle.manifest import Feature, Input, Manifest, Target
from mlops_cli.config.load import check_config
from mlops_cli.config.project import Project
from mlops_cli.experiments.latencies import quantile_ms
from mlops_cli.experiments.recorded_arm import recorded_arm, recorded_losses
from mlops_cli.monitoring.collected.recorded import (
    LABEL_SCHEMA,
    PREDICTION_SCHEMA,
    recorded_labels,
    recorded_predictions,
)

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
VERSION = "a" * 12
MANIFEST = Manifest(
    "1.1", "p", "binary", Target("y"), (False, True), "xgboost",
    (Input("n", "float", True, None, "event"),), (Feature("n", "numeric"),), "3.11", {}, {},
)  # fmt: skip


def line(request: str, said: float | None, **more: Any) -> dict[str, Any]:
    return {
        "time": NOW - timedelta(hours=2),
        "request_id": request,
        "row": 0,
        "version": VERSION,
        "variant": "champion",
        "prediction": None if said is None else json.dumps({"probability": said}),
        "error": None if said is not None else "ValueError",
        "ms": 4.0,
        "segment": "s1",
        **more,
    }


def test_requests_errors_means_and_latencies_are_those_of_the_version_in_that_time(
    tmp_path: Path,
) -> None:
    lines = [line(f"r{i}", 0.2, ms=4.0 if i else 40.0) for i in range(100)]
    lines += [line("two", 0.3), line("two", 0.5, row=1), line("bad", None)]
    lines += [
        line("late", 0.9, time=NOW + timedelta(minutes=1)),
        line("early", 0.9, time=NOW - timedelta(days=3)),
        line("other", 0.9, version="b" * 12),
        line("shadow", 0.9, variant="shadow"),
    ]
    rows = [{n: each.get(n) for n in PREDICTION_SCHEMA.names} for each in lines]
    recorded_predictions(tmp_path).add(pa.Table.from_pylist(rows, PREDICTION_SCHEMA))
    raw = {"project": "p", "task": "binary", "data": {"table": "t.csv", "target": "y"}}
    project = Project(tmp_path, check_config(raw, file="mlops.yaml"))
    span = {"since": NOW - timedelta(days=1), "until": NOW}
    found = recorded_arm(project, VERSION, MANIFEST, **span)
    assert found is not None
    assert (found.requests, found.errors, found.answered) == (102, 1, 101)
    assert found.sum == pytest.approx(20 + 0.4)
    assert quantile_ms(found, 0.5) == pytest.approx(4, rel=0.05)
    assert quantile_ms(found, 0.995) == pytest.approx(40, rel=0.05)
    assert recorded_arm(project, "c" * 12, MANIFEST, **span) is None
    assert recorded_losses(project, VERSION, MANIFEST, **span) is None
    told = [
        {"time": NOW, "request_id": r, "label": "true", "received": NOW, "segment": "l1"}
        for r in ("r0", "r1", "bad", "late")
    ]
    table = pa.Table.from_pylist([{**each, "row": None, "id": None} for each in told], LABEL_SCHEMA)
    recorded_labels(tmp_path).add(table)
    losses = recorded_losses(project, VERSION, MANIFEST, **span)
    assert losses is not None
    assert losses.count == 3
    assert losses.sum == pytest.approx(-2 * math.log(0.2) - math.log(0.001))
    earlier = {k: v - timedelta(days=30) for k, v in span.items()}
    assert recorded_arm(project, VERSION, MANIFEST, **earlier) is None
