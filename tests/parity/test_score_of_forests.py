"""`score` and the server sum a forest's trees in one order: the same bits, however many rows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from learning import events, make
from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.app import App
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.stages.train import train
from mlops_cli.stages.tune import tune

ROWS = 20_000  # more than one thread predicts at a time


def asked(bundle: Path, rows: list[dict[str, object]]) -> list[float]:
    """What the server's application answers to these rows, in one request."""
    found = open_bundle(bundle)
    app = App(found, open_predictor(found))
    sent = []

    async def receive():
        return {"type": "http.request", "body": msgspec.json.encode(rows), "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/predict", "headers": []}
    asyncio.run(app(scope, receive, send))
    return [p["probability"] for p in msgspec.json.decode(sent[1]["body"])["predictions"]]


@pytest.mark.parametrize("estimator", ["RandomForestClassifier", "HistGradientBoostingClassifier"])
def test_score_equals_the_server_bit_for_bit(tmp_path, estimator):
    project = make(
        tmp_path / "p",
        train={"estimator": f"sklearn:ensemble.{estimator}"},
        tune={"trials": 1, "space": {"max_leaf_nodes": {"int": [20, 20]}}},
    )
    tune(project)
    train(project)
    table = events(ROWS, "binary", seed=1)
    pq.write_table(table, tmp_path / "new.parquet")
    bundle = project.root / "model"
    score(project, tmp_path / "new.parquet", tmp_path / "out.parquet", bundle=bundle)
    scored = pq.read_table(tmp_path / "out.parquet")["probability"].to_pylist()
    rows = table.drop_columns(["target"]).to_pylist()
    assert asked(bundle, rows) == scored
    assert asked(bundle, rows[:7]) == scored[:7]
