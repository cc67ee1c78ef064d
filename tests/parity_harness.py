"""One set of rows through training's own API, `mlops score`, and the running server.

`python tests/parity/harness.py PROJECT [ROWS]` does it for any project that has been run.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlops_cli.actions.score import score
from mlops_cli.bundle.reader import Bundle, open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.tables import open_engine
from mlops_cli.tables.base import ROW
from mlops_cli.tables.matrix import encode
from mlops_cli.tables.split import Keys, split
from mlops_cli.training.data import draw_of

BATCH = 500


def check(root: Path, rows: int) -> dict[str, float]:
    """The largest excess over the tolerance, by way; no more than 0 where all agree.

    The rows are the first `rows` of the hold-out, which no fit has seen.
    """
    project, bundle = load_project(root), open_bundle(root / "model")
    events = _holdout(project)[:rows]
    want = _trained(bundle, events)
    found = {"score": _scored(project, events)}
    with _server(root) as port:
        bodies = _events(bundle, events)
        singly = [_post(port, body)[0] for body in bodies]
        batches = [bodies[i : i + BATCH] for i in range(0, len(bodies), BATCH)]
        found["server singly"] = np.array([_numbers(p) for p in singly])
        found["server in batches"] = np.array(
            [_numbers(p) for batch in batches for p in _post(port, batch)]
        )
    return {
        way: float(np.max(np.abs(got - want) - (1e-6 + 1e-5 * np.abs(want))))
        for way, got in found.items()
    }


def _holdout(project: Project) -> pa.Table:
    table = pq.read_table(project.root / "data/features.parquet")
    config = project.config
    target = np.asarray(table["__target__"].to_pylist())
    keys = Keys(
        np.asarray(table[ROW].to_numpy()),
        target if config.split_by == "stratified" else None,
        np.asarray(table["__time__"].to_numpy()) if "__time__" in table.column_names else None,
    )
    parts = split(draw_of(config), keys)
    return table.take(pa.array(parts.holdout))


def _trained(bundle: Bundle, events: pa.Table) -> np.ndarray:
    matrix = encode(events, bundle.manifest.features)
    if bundle.manifest.model == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(bundle.model_file)
        out = session.run(None, {session.get_inputs()[0].name: matrix})[-1]
        wide = np.asarray(out, dtype=np.float64)
        return wide[:, 1:] if bundle.manifest.task == "binary" else wide.reshape(len(matrix), -1)
    import xgboost

    booster = xgboost.Booster(model_file=bundle.model_file)
    types, names = booster.feature_types, booster.feature_names
    data = xgboost.DMatrix(matrix, feature_types=types, feature_names=names)
    return np.asarray(booster.predict(data), dtype=np.float64).reshape(len(matrix), -1)


def _scored(project: Project, events: pa.Table) -> np.ndarray:
    numbers = events[ROW].to_pylist()
    source, out = project.root / ".mlops/parity-in.parquet", project.root / ".mlops/parity.parquet"
    table = project.root / project.config.data.table
    with open_engine() as engine:
        raw = engine.arrow(f"select * from {engine.raw(table)} order by {ROW}")
    pq.write_table(raw.take(pa.array(numbers)).drop_columns([ROW]), source)
    score(project, source, out, bundle=project.root / "model")
    scored = pq.read_table(out)
    columns = [n for n in scored.column_names if n == "probability" or n == "value"] or [
        n for n in scored.column_names if n.startswith("probability_")
    ]
    return np.column_stack([scored[n].to_numpy() for n in columns])


def _events(bundle: Bundle, events: pa.Table) -> list[dict[str, Any]]:
    names = [i.name for i in bundle.manifest.inputs]
    return [{n: _json(v) for n, v in row.items()} for row in events.select(names).to_pylist()]


def _json(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _numbers(prediction: dict[str, Any]) -> list[float]:
    if "probabilities" in prediction:
        return list(prediction["probabilities"].values())
    return [prediction.get("probability", prediction.get("value"))]


_connections: dict[int, http.client.HTTPConnection] = {}


def _post(port: int, body: Any) -> Sequence[dict[str, Any]]:
    connection = _connections[port]
    connection.request("POST", "/v1/predict", json.dumps(body))
    answer = connection.getresponse()
    payload = json.loads(answer.read())
    assert answer.status == 200, payload
    return payload["predictions"]


@contextmanager
def _server(root: Path) -> Iterator[int]:
    ready, told = os.pipe()
    runtime = [sys.executable, "-m", "mlops_cli.serving", "--bundle", str(root / "model")]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port, fd = listening.getsockname()[1], listening.fileno()
        command = [*runtime, "--fd", str(fd), "--ready-fd", str(told)]
        server = subprocess.Popen(command, pass_fds=[fd, told])
    with server:
        os.close(told)
        with os.fdopen(ready, "rb") as said:
            assert said.readline() == b"ready\n"
        _connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            yield port
        finally:
            _connections.pop(port).close()
            server.terminate()


if __name__ == "__main__":
    found = check(Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
    sys.stdout.write(f"{found}\n")
