"""The records of a topic into validated Parquet on one core, against a bare consumer."""

from __future__ import annotations

import json
import os
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from benchmarks.measure import Failed, Run, median, pairs, python, run, work_parts, work_seconds
from benchmarks.results import Figure, Line

PAIRS = 3
RECORDS = 2_000_000
TOPIC = f"mlops-bench-{RECORDS}"
SERVER = "MLOPS_BENCH_KAFKA"
_ONE_CORE = ("taskset", "-c", "0")
_CONTRACT = """columns:
  id: {type: integer, min: 0}
  a: {type: integer, min: 0, max: 999}
  b: {type: float, min: 0, max: 100}
  carrier: {type: text, categories: [AA, UA, DL, B6, EV]}
  tail: {type: text, pattern: "N[0-9]{5}"}
  at: {type: timestamp}
  y: {type: integer, min: 0, max: 1}
"""


def measure(work: Path) -> Line:
    """In turns; the broker has cores of its own where there are more."""
    servers = os.environ.get(SERVER)
    if servers is None:
        raise Failed(f"{SERVER} names no broker, such as 127.0.0.1:9092")
    if TOPIC not in AdminClient({"bootstrap.servers": servers}).list_topics(timeout=10).topics:
        _produce(servers)
    project = work / "kafka"
    (project / "contracts").mkdir(parents=True, exist_ok=True)
    (project / "contracts/events.yaml").write_text(_CONTRACT, encoding="utf-8")
    (project / "mlops.yaml").write_text(
        "project: stream\ntask: binary\ndata:\n  name: events\n  target: y\n"
        f"  table: {{kafka: {TOPIC}, servers: '{servers}'}}\n",
        encoding="utf-8",
    )
    taken = pairs(lambda: _ours(project), lambda: _bare(project, servers), PAIRS, warm=False)
    rate = RECORDS / median(taken.ours, work_seconds)
    return Line(
        title="Kafka, 2 M JSON records, into validated Parquet on one core, against a consumer",
        figures=(
            Figure("time", taken.ratio(work_seconds), "x", target=1.3, pairs=PAIRS),
            Figure("records/s", rate, "", pairs=PAIRS),
            Figure(
                "ingest alone",
                taken.ratio(lambda r: float(r.said.get("ingest", r.said["seconds"]))),
                "x",
                pairs=PAIRS,
            ),
        ),
        parts={"mlops": work_parts(taken.ours), "bare consumer": work_parts(taken.theirs)},
        note="Ours tells each record that is no JSON object apart, keeps texts as texts, lands "
        "parts that a kill cannot tear, and holds all of them to a contract of seven columns. The "
        "consumer reads batches of 20,000 with pyarrow and writes one file, in which a moment is "
        "what Arrow takes for one.",
    )


def _produce(servers: str) -> None:
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 50})
    carriers = ("AA", "UA", "DL", "B6", "EV")
    for i in range(RECORDS):
        event = {"id": i, "a": i % 1000, "b": i % 9999 / 100, "carrier": carriers[i % 5],
                 "tail": f"N{10000 + i % 90000}", "at": f"2013-01-{1 + i % 28:02}T05:00:00Z",
                 "y": i % 2}  # fmt: skip
        producer.produce(TOPIC, json.dumps(event).encode())
        if i % 10_000 == 0:
            producer.poll(0.1)
    producer.flush()


def _ours(project: Path) -> Run:
    return run([*_ONE_CORE, *python("ours/ingest.py", project, "validate")], project)


def _bare(project: Path, servers: str) -> Run:
    by_hand = python("by_hand/consumer.py", servers, TOPIC, project / "by_hand.parquet")
    return run([*_ONE_CORE, *by_hand], project)
