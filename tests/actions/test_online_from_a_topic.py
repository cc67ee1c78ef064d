"""`ingest --follow` of a topic into a Redis: what came through the topic is in the next answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_cli._poll import wait_until
from mlops_cli.actions.online import get_features
from mlops_cli.config.load import load_project
from mlops_cli.errors import EnvironmentFault
from redis_server import Redis, needs_redis

SERVERS = os.environ.get("MLOPS_TEST_KAFKA")
pytestmark = [
    *needs_redis,
    pytest.mark.slow,
    pytest.mark.skipif(
        SERVERS is None, reason="MLOPS_TEST_KAFKA names no broker, such as 127.0.0.1:19092"
    ),
]
BEGIN = datetime(2013, 1, 1)
WINDOW = timedelta(hours=6)
TOPIC = f"online-{uuid.uuid4().hex}"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
def root(tmp_path: Path, redis: Redis) -> Path:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/rides.yaml").write_text(
        "columns: {k: {type: text}, x: {type: float}, y: {type: integer}, at: {type: timestamp}}\n"
    )
    (tmp_path / "mlops.yaml").write_text(
        "project: rides\ntask: binary\n"
        f"data: {{table: {{kafka: {TOPIC}, servers: '{SERVERS}'}}, name: rides, target: y, "
        "time: at}\n"
        f"features:\n  columns: [x]\n  online: redis://127.0.0.1:{redis.port}/0\n  aggregates:\n"
        "  - {name: paid, expr: sum(x), table: data/raw/rides, by: [k], window: 6h, lag: 1s, "
        "source: online}\n"
    )
    return tmp_path


def _send(first: int, count: int) -> None:
    kafka = pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    producer = kafka.Producer({"bootstrap.servers": SERVERS})
    for n in range(first, first + count):
        at = f"{(BEGIN + timedelta(minutes=n)).isoformat()}Z"
        event = {"k": f"k{n % 3}", "x": n % 7 + 0.5, "y": n % 2, "at": at}
        producer.produce(TOPIC, json.dumps(event).encode())
    producer.flush()


def _rows(root: Path) -> list[dict[str, object]]:
    parts = sorted((root / "data/raw/rides").glob("*.parquet"))
    return [row for part in parts for row in pq.ParquetFile(part).read().to_pylist()]


def _paid(root: Path, key: str, at: datetime) -> float | None:
    """The sum by hand, of what landed."""
    until = at - timedelta(seconds=1)
    found = [
        float(str(row["x"])) for row in _rows(root)
        if row["k"] == key
        and until - WINDOW < datetime.fromisoformat(str(row["at"])).replace(tzinfo=None) <= until
    ]  # fmt: skip
    return sum(found) if found else None


def _looked_up(root: Path, key: str, at: datetime) -> float | None:
    try:
        found = get_features(load_project(root), [f"k={key}"], at=f"{at.isoformat()}Z")
    except EnvironmentFault:
        return None
    value = found.values["paid"]
    return None if value is None else float(value)


def test_what_came_through_the_topic_is_looked_up(root: Path, redis: Redis) -> None:
    _send(0, 600)
    command = [sys.executable, "-m", "mlops_cli", "ingest", "--follow"]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL) as following:
        try:
            at = BEGIN + timedelta(minutes=600)
            assert wait_until(lambda: _looked_up(root, "k1", at) is not None, seconds=90)
            assert _looked_up(root, "k1", at) == _paid(root, "k1", at)
            _send(600, 300)
            later = BEGIN + timedelta(minutes=1500)
            assert _looked_up(root, "k1", later) is None
            late = BEGIN + timedelta(minutes=899)
            assert wait_until(
                lambda: len(_rows(root)) == 900 and _looked_up(root, "k1", late) is not None,
                seconds=90,
            )
            for minute in range(30, 900, 60):
                moment = BEGIN + timedelta(minutes=minute)
                assert wait_until(
                    lambda m=moment: _looked_up(root, "k2", m) == _paid(root, "k2", m), seconds=60
                )
            redis.signal(signal.SIGKILL)
            _send(900, 3)
            assert wait_until(lambda: len(_rows(root)) == 903, seconds=90), "the ingest stands"
            redis.start()
            _send(903, 3)  # the next fill repairs what the one before could not
            end = BEGIN + timedelta(minutes=906)
            assert wait_until(
                lambda: (
                    len(_rows(root)) == 906
                    and _looked_up(root, "k0", end) == _paid(root, "k0", end)
                ),
                seconds=90,
            )
        finally:
            following.send_signal(signal.SIGINT)
        assert following.wait(timeout=60) == 130
