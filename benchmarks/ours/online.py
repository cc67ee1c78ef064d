"""Fill an online store with 200,000 rows of 100 keys, and read 20 features of a key at a moment.

`online.py sqlite|redis`: prints seconds as JSON. Redis is one of its own, on a free port; each
read of it is followed by one GET of the library's own client, with which a busy machine is shared.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import redis.asyncio

from mlops_cli.bundle.online import OnlinePlan
from mlops_cli.config.sections.features import AggregateConfig
from mlops_cli.features.base import AggregateSource
from mlops_cli.features.events import Rejected
from mlops_cli.features.materialize import open_buckets
from mlops_cli.features.online import online_rows, online_sources
from mlops_cli.serving.online.base import AsyncStore, State, StoreAway
from mlops_cli.serving.online.lookup import Lookup, Wanted
from mlops_cli.serving.online.opened import open_served, open_writer
from mlops_cli.serving.online.parts import micros
from mlops_cli.tables import open_engine

ROWS, KEYS, DAYS, READS = 200_000, 100, 30, 5_000
BEGIN = datetime(2013, 1, 1)  # naive is UTC
TYPES = {"k": "text", "ts": "timestamp", "x": "float"}


def main(kind: str, folder: Path) -> dict[str, float]:
    """Seconds of the fill, and of a read."""
    source = _sources(folder / "facts.parquet")
    plan = OnlinePlan(tuple(f for s in source for f in s.features), time="ts")
    with _store(kind, folder) as setting:
        started = time.perf_counter()
        with open_engine() as engine, open_writer(setting, "bench") as writer:
            rows = list(online_rows(engine, source, Rejected(None), micros(datetime.max)))
            buckets = open_buckets(engine, rows, writer.state())
            writer.replace(State(0, 0, buckets.groups), buckets.chunks())
        fill = time.perf_counter() - started
        store = open_served(setting, "bench")
        assert store is not None
        bare = setting if kind == "redis" else None
        took = asyncio.run(_reads(store, plan, bare))
    return {"fill": fill, **_said("", took.reads), **_said("get ", took.gets)}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of wall clock and of this process, a pair for each read, and for each bare GET."""

    reads: list[tuple[float, float]] = field(default_factory=list)
    gets: list[tuple[float, float]] = field(default_factory=list)


def _said(what: str, took: list[tuple[float, float]]) -> dict[str, float]:
    if not took:
        return {}
    wall, processor = np.array(took[len(took) // 50 :]).T
    return {
        f"{what}p50": float(np.median(wall)),
        f"{what}p99": float(np.quantile(wall, 0.99)),
        f"{what}processor": float(np.mean(processor)),
    }


def _sources(file: Path):  # type: ignore[no-untyped-def]  # a script
    random = np.random.default_rng(0)
    moments = np.sort(random.integers(0, DAYS * 86_400_000_000, ROWS))
    table = pa.table(
        {
            "k": [f"k{i}" for i in random.integers(0, KEYS, ROWS)],
            "ts": pa.array(moments + micros(BEGIN), pa.timestamp("us")),
            "x": random.normal(0, 100, ROWS),
        }
    )
    pq.write_table(table, file)
    aggregates = [
        AggregateConfig(name=f"{name}_{window}", expr=f"{name}(x)", table=file.name, by=["k"],
            window=window, lag="1h", source="online")
        for window in ("1h", "6h", "1d", "1w")
        for name in ("sum", "avg", "count", "max", "stddev")
    ]  # fmt: skip
    return online_sources([], [AggregateSource(file, TYPES, "ts", a) for a in aggregates])


async def _reads(store: AsyncStore, plan: OnlinePlan, bare: str | None) -> Took:
    random, lookup, took = np.random.default_rng(1), Lookup(plan), Took()
    names = [feature.name for feature in plan.features]
    client = redis.asyncio.Redis.from_url(bare) if bare else None
    if client is not None:
        await client.set("bare", b"x" * 100)
    while len(took.reads) < READS:
        at = BEGIN + timedelta(seconds=int(random.integers(8 * 86_400, DAYS * 86_400)))
        wanted = [Wanted(micros(at), {"k": f"k{random.integers(0, KEYS)}"}, names)]
        began = time.perf_counter(), time.process_time()
        steps = lookup.steps(wanted)
        asks = next(steps)
        try:
            while True:
                asks = steps.send(await store.read(asks))
        except StoreAway:  # a busy machine has let it wait
            await asyncio.sleep(1.1)
            continue
        except StopIteration:
            took.reads.append(_since(began))
        if client is not None:
            began = time.perf_counter(), time.process_time()
            await client.get("bare")
            took.gets.append(_since(began))
    if client is not None:
        await client.aclose()
    return took


def _since(began: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - began[0], time.process_time() - began[1]


@contextmanager
def _store(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:{folder / 'store.sqlite'}"
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(main(sys.argv[1], Path(scratch))))
