"""A topic: each record once under kills, what cannot be read set aside, retention told."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from command_line import Mlops

SERVERS = os.environ.get("MLOPS_TEST_KAFKA")
pytestmark = pytest.mark.skipif(
    SERVERS is None, reason="MLOPS_TEST_KAFKA names no broker, such as 127.0.0.1:19092"
)
RECORDS = 30_000


@pytest.fixture
def topic() -> str:
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def root(tmp_path: Path, topic: str) -> Path:
    text = f"data: {{table: {{kafka: {topic}, servers: '{SERVERS}'}}, name: stream, target: y}}\n"
    (tmp_path / "mlops.yaml").write_text(f"project: p\ntask: binary\n{text}")
    return tmp_path


def _send(topic: str, values: list[bytes | None], *, transaction: str | None = None) -> None:
    kafka = pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")
    settings = {"bootstrap.servers": SERVERS} | (
        {"transactional.id": f"{topic}-{transaction}"} if transaction else {}
    )
    producer = kafka.Producer(settings)
    if transaction:
        producer.init_transactions()
        producer.begin_transaction()
    for n, value in enumerate(values):
        producer.produce(topic, value, key=f"k{n}")
        producer.poll(0)
    producer.flush()
    if transaction:
        end = producer.abort_transaction if transaction == "no" else producer.commit_transaction
        end()


def _records(first: int, count: int) -> list[bytes | None]:
    return [json.dumps({"id": n, "at": "2013-01-01T00:00:00Z"}).encode()
            for n in range(first, first + count)]  # fmt: skip


def _ids(root: Path) -> list[int]:
    parts = sorted((root / "data/raw/stream").glob("*.parquet"))
    return [r["id"] for p in parts for r in pq.ParquetFile(p).read().to_pylist()]


def test_each_record_lands_once_though_ingests_are_killed(
    root: Path, topic: str, mlops: Mlops
) -> None:
    _send(topic, _records(0, RECORDS))
    killed = 0
    for i in range(6):
        command = [sys.executable, "-m", "mlops_cli", "ingest"]
        running = subprocess.Popen(command, cwd=root, start_new_session=True,
                                   stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(0.8 + 0.3 * i)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            killed += 1
        running.wait()
    assert killed
    mlops(root, "ingest", code=0)
    assert sorted(_ids(root)) == list(range(RECORDS))
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0


@pytest.mark.slow
def test_fifty_kills_leave_each_record_and_each_poison_once(
    root: Path, topic: str, mlops: Mlops
) -> None:
    """Every other kill waits for a part that is being written, the rest come at any moment."""
    moments, sent, poison = random.Random(7), 0, 0
    writing = 0
    for kill in range(50):
        _send(topic, [*_records(sent, 20_000), f"poison {kill}".encode()])
        sent, poison = sent + 20_000, poison + 1
        wait = moments.uniform(0.1, 5.0)
        while not _killed(root, wait, in_a_part=bool(kill % 2)):  # it was done before
            _send(topic, _records(sent, 20_000))
            sent += 20_000
        writing += bool(list((root / "data/raw").glob(".stream-*.part")))
    mlops(root, "ingest", code=0)
    assert sorted(_ids(root)) == list(range(sent))
    aside = (root / "data/rejected/stream.ndjson").read_text().splitlines()
    assert [json.loads(line)["text"] for line in aside] == [f"poison {n}" for n in range(poison)]
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
    assert not list((root / "data/raw").glob(".*.part"))
    assert writing > 10


def _killed(root: Path, wait: float, *, in_a_part: bool) -> bool:
    """Whether an ingest was killed before it was done."""
    running = subprocess.Popen(
        [sys.executable, "-m", "mlops_cli", "ingest"], cwd=root, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + (60 if in_a_part else wait)
    while running.poll() is None and time.monotonic() < end:
        if in_a_part and list((root / "data/raw").glob(".stream-*.part")):
            time.sleep(wait / 50)
            break
        time.sleep(0.002)
    alive = running.poll() is None
    if alive:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return alive


def test_what_is_no_object_is_set_aside_once_with_its_offset(
    root: Path, topic: str, mlops: Mlops
) -> None:
    _send(topic, [*_records(0, 3), b"no json", b"[1]", None, *_records(3, 1), b'{"a": "\xff"}'])
    found = mlops(root, "ingest", "--json", code=0).result
    assert (found["rows"], found["rejected"], found["deleted"]) == (4, 4, 1)
    assert found["remarks"][0].startswith("1 records say that their key was deleted, such as 'k5'")
    aside = [json.loads(line) for line in (root / found["rejects"]).read_text().splitlines()]
    assert [(r["offset"], r["key"], r["text"]) for r in aside] == [
        (3, "k3", "no json"),
        (4, "k4", "[1]"),
        (5, "k5", None),
        (7, "k7", '{"a": "\\xff"}'),
    ]
    _send(topic, [b"worse"])
    mlops(root, "ingest", code=0)
    mlops(root, "ingest", code=0)
    assert len((root / found["rejects"]).read_text().splitlines()) == 5
    assert _ids(root) == [0, 1, 2, 3]


def test_records_of_a_transaction_count_when_it_was_committed(
    root: Path, topic: str, mlops: Mlops
) -> None:
    _send(topic, _records(0, 5), transaction="yes")
    _send(topic, _records(5, 5), transaction="no")
    _send(topic, _records(10, 5), transaction="also")
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 10
    assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0


def test_a_key_of_another_type_stops_and_loses_nothing(
    root: Path, topic: str, mlops: Mlops
) -> None:
    _send(topic, _records(0, 2))
    mlops(root, "ingest", code=0)
    _send(topic, [b'{"id": "three"}'])
    assert "'id' was int64, and is string" in mlops(root, "ingest", code=3).err
    assert _ids(root) == [0, 1]


def test_what_retention_took_is_told(root: Path, topic: str, mlops: Mlops) -> None:
    kafka = pytest.importorskip("confluent_kafka.admin", reason="the extra kafka is missing")
    from confluent_kafka import TopicPartition

    _send(topic, _records(0, 3))
    mlops(root, "ingest", code=0)
    _send(topic, _records(3, 3))
    admin = kafka.AdminClient({"bootstrap.servers": SERVERS})
    for done in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        done.result()
    assert "the records from 3 to 4 are gone" in mlops(root, "ingest", code=3).err


def test_a_topic_that_is_not_there_and_a_broker_that_is_not(
    root: Path, topic: str, mlops: Mlops
) -> None:
    assert "no topic" in mlops(root, "ingest", code=2).err
    text = (root / "mlops.yaml").read_text().replace(str(SERVERS), "127.0.0.1:9")
    (root / "mlops.yaml").write_text(text)
    assert "do not answer" in mlops(root, "ingest", code=8).err


def test_avro_records_land_by_their_schemas_and_poison_is_set_aside(
    root: Path, topic: str, mlops: Mlops
) -> None:
    pytest.importorskip("fastavro", reason="the extra kafka is not installed")
    from schema_registry import registry

    fields = [{"name": "id", "type": "long"}, {"name": "n", "type": "int"}]
    more = {"name": "more", "type": ["null", "string"], "default": None}
    needed = {"name": "needed", "type": "string"}
    with registry() as kept:
        text = (root / "mlops.yaml").read_text()
        (root / "mlops.yaml").write_text(
            text.replace("servers:", f"registry: '{kept.url}', servers:")
        )
        old = kept.register(topic, {"type": "record", "name": "E", "fields": fields})
        rows = [kept.record(old, {"id": n, "n": n}) for n in range(3)]
        _send(topic, [*rows, b'{"id": 9}', rows[0] + b"!", None])
        found = mlops(root, "ingest", "--json", code=0).result
        assert (found["rows"], found["rejected"]) == (3, 3)
        aside = [json.loads(line) for line in (root / found["rejects"]).read_text().splitlines()]
        assert [(r["offset"], r["key"]) for r in aside] == [(3, "k3"), (4, "k4"), (5, "k5")]
        assert "schema 1" in aside[1]["reason"]
        new = kept.register(topic, {"type": "record", "name": "E", "fields": [*fields, more]})
        _send(topic, [kept.record(new, {"id": 3, "n": 3, "more": "x"})])
        mlops(root, "ingest", code=0)
        assert _ids(root) == [0, 1, 2, 3]
        worse = {"type": "record", "name": "E", "fields": [*fields, needed]}
        third = kept.register(topic, worse)
        _send(topic, [kept.record(third, {"id": 4, "n": 4, "needed": "y"})])
        said = mlops(root, "ingest", code=3).err
        assert "schema 3 of the source breaks BACKWARD" in said
        assert "needed, rule `columns`" in said
        assert _ids(root) == [0, 1, 2, 3]
        (root / "contracts").mkdir()
        contract = "columns: {id: {type: integer}}\ncompatibility: FORWARD\n"
        (root / "contracts/stream.yaml").write_text(contract)
        mlops(root, "ingest", code=0)
        assert _ids(root) == [0, 1, 2, 3, 4]
        assert mlops(root, "ingest", "--json", code=0).result["rows"] == 0
