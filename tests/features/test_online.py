"""What a store gives of a key at a moment is what `featurize` makes of such an event."""

from __future__ import annotations

import random
import sqlite3
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving.online.base import StoreAway
from mlops_cli.serving.online.lookup import Lookup, Wanted
from mlops_cli.serving.online.parts import figure, micros
from mlops_cli.serving.online.sqlite import SqliteReader, SqliteWriter
from online_store import BEGIN, History, differing, facts_of, history_of, looked
from redis_server import Redis, needs_redis

DENSE = 3000  # facts of so few keys are in many buckets


def _history(folder: Path, seed: int, facts: int, events: int = 100) -> History:
    draw = random.Random(seed)
    return history_of(folder, draw, facts_of(draw, facts), events)


@pytest.mark.parametrize(("seed", "facts"), [(1, 0), (4, DENSE)])
def test_online_is_offline(tmp_path: Path, seed: int, facts: int) -> None:
    history = _history(tmp_path, seed, facts)
    file = tmp_path / "store.sqlite"
    with SqliteWriter(file) as writer:
        history.fill(writer)
    offline = history.offline()
    assert differing(history.names, history.online(SqliteReader(file)), offline) == []
    assert facts < DENSE or len({repr(row) for row in offline}) > len(offline) // 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=needs_redis)])
def test_online_is_offline_for_100_000_pairs(tmp_path: Path, kind: str) -> None:
    server = Redis(tmp_path).start() if kind == "redis" else None
    pairs, different = 0, list[str]()
    try:
        for seed in range(10):
            folder = tmp_path / str(seed)
            folder.mkdir()
            history = _history(folder, 100 + seed, [20, 400, DENSE, 20_000][seed % 4], 10_000)
            if server is None:
                writer: Any = SqliteWriter(folder / "store.sqlite")
                reader: Any = SqliteReader(folder / "store.sqlite")
            else:
                writer = reader = _redis(server, project=f"p{seed}")
            history.fill(writer)
            online = history.online(reader, at_once=500)
            different += differing(history.names, online, history.offline())
            pairs += len(online)
    finally:
        if server is not None:
            server.stop()
    sys.stdout.write(f"{kind}: {pairs} pairs of key and moment, {len(different)} values differ\n")
    assert (pairs, different) == (100_000, [])


def _redis(server: Redis, *, project: str = "delays", url: str = "") -> Any:
    from mlops_cli.serving.online.redis import RedisStore

    return RedisStore(url or f"redis://127.0.0.1:{server.port}/0", project, "features.online")


def test_a_repeated_fill_repairs_late_and_corrected_rows_and_leaves_the_rest(
    tmp_path: Path,
) -> None:
    draw = random.Random(5)
    facts = facts_of(draw, DENSE)
    history = history_of(tmp_path, draw, facts, 60)
    file = tmp_path / "store.sqlite"
    reader, lookup = SqliteReader(file), Lookup(history.plan)
    with SqliteWriter(file) as writer:
        all_of_it = history.fill(writer)
        assert history.fill(writer) == 0
        assert differing(history.names, history.online(reader, lookup), history.offline()) == []
        first = min((f for f in facts if f["ts"] and f["k"]), key=lambda f: f["ts"])
        first["x"] = 1e6  # a correction of the oldest row
        facts.append({**first, "ts": BEGIN + timedelta(days=9, seconds=7), "n": 2})  # a late one
        del facts[facts.index(next(f for f in facts if f["ts"] and f["k"] == "b"))]  # one removed
        history.write(facts)
        changed = history.fill(writer)
    assert 0 < changed < all_of_it / 2
    assert differing(history.names, history.online(reader, lookup), history.offline()) == []


def test_a_store_knows_rows_up_to_its_moment_alone(tmp_path: Path) -> None:
    draw = random.Random(6)
    facts = facts_of(draw, 400)
    history = history_of(tmp_path, draw, facts, 100)
    until = BEGIN + timedelta(days=8)
    with SqliteWriter(tmp_path / "store.sqlite") as writer:
        history.fill(writer, micros(until))
    online = history.online(SqliteReader(tmp_path / "store.sqlite"))
    history.write([f for f in facts if f["ts"] is not None and f["ts"] <= until])
    assert differing(history.names, online, history.offline()) == []


def test_a_fill_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    history = _history(tmp_path, 7, 60, 10)
    file = tmp_path / "store.sqlite"
    with SqliteWriter(file) as writer:
        history.fill(writer)
        before = history.online(SqliteReader(file))
        history.write(facts_of(random.Random(8), 60))
        state = writer.state()
        assert state is not None

        def breaks() -> Any:
            raise KeyboardInterrupt
            yield

        with pytest.raises(KeyboardInterrupt):
            writer.replace(state, breaks())
        assert history.online(SqliteReader(file)) == before
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("begin immediate")
        try:
            writer._connection.execute("pragma busy_timeout = 50")
            with pytest.raises(EnvironmentFault, match="locked"):
                history.fill(writer)
        finally:
            other.close()
    assert history.online(SqliteReader(file)) == before


def test_an_empty_a_foreign_and_a_broken_store_are_told(tmp_path: Path) -> None:
    history = _history(tmp_path, 9, 20, 1)
    file = tmp_path / "store.sqlite"
    reader, lookup = SqliteReader(file), Lookup(history.plan)
    asked = [Wanted(micros(BEGIN), {"k": "a", "n": 1}, history.names)]
    with pytest.raises(StoreAway, match="is empty: mlops features materialize"):
        looked(reader, lookup, asked)
    less = History(tmp_path, history.joins[:1], history.aggregates[:1], history.events)
    with SqliteWriter(file) as writer:
        less.fill(writer)
        with pytest.raises(StoreAway, match="for other features"):
            looked(reader, lookup, asked)
        history.fill(writer)
    assert looked(reader, lookup, asked)
    for part in tmp_path.glob("store.sqlite*"):
        part.unlink()
    with pytest.raises(StoreAway, match="is empty"):
        looked(reader, lookup, asked)
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreAway, match="cannot be read"):
        looked(reader, lookup, asked)


@pytest.mark.parametrize(
    ("function", "cells", "wanted"),
    [
        ("sum", [1e16, 1.0, -1e16], 1.0),
        ("sum", [float("inf"), 1.0], float("inf")),
        ("max", [1.0, float("nan"), 2.0], float("nan")),
        ("min", [1.0, float("nan"), 2.0], 1.0),
        ("min", [float("nan")], float("nan")),
        ("distinct", [[float("nan")], [float("nan"), 0.0], [-0.0], None], 2),
    ],
)
def test_figures_of_what_is_no_usual_number(function: Any, cells: Any, wanted: float) -> None:
    assert figure(function, "float", [cells]) == pytest.approx(wanted, nan_ok=True)


def test_dates_come_back_as_dates() -> None:
    moment = datetime(1969, 7, 20, 20, 17, 40, 5)
    assert figure("value", "timestamp", [[micros(moment)]]) == moment
    assert figure("min", "date", [[micros(datetime(1969, 7, 20))]]) == moment.date()


class TestRedis:
    """On a real server."""

    pytestmark = needs_redis

    @pytest.fixture
    def server(self, tmp_path: Path) -> Any:
        server = Redis(tmp_path).start()
        yield server
        server.stop()

    def test_online_is_offline_and_what_changed_is_repaired(
        self, tmp_path: Path, server: Redis
    ) -> None:
        draw = random.Random(10)
        facts = facts_of(draw, DENSE)
        history = history_of(tmp_path, draw, facts, 60)
        store, lookup = _redis(server), Lookup(history.plan)
        all_of_it = history.fill(store)
        assert history.fill(store) == 0
        assert differing(history.names, history.online(store, lookup), history.offline()) == []
        del facts[: DENSE // 100]
        facts = [f for f in facts if f["k"] != "ä"]  # a key that goes whole
        history.write(facts)
        assert 0 < history.fill(store) < all_of_it
        assert differing(history.names, history.online(store, lookup), history.offline()) == []
        other = _redis(server, project="another")
        with pytest.raises(StoreAway, match="is empty"):
            history.online(other)

    def test_a_full_redis_keeps_what_it_had(self, tmp_path: Path, server: Redis) -> None:
        history = _history(tmp_path, 11, 200, 20)
        store = _redis(server)
        history.fill(store)
        before, rows = history.online(store), server.rows()
        history.write(facts_of(random.Random(12), 20_000))
        used = int(server.client("INFO", "memory").split(b"used_memory:")[1].split(b"\r")[0])
        server.client("CONFIG", "SET", "maxmemory", str(used + 300_000))
        with pytest.raises(EnvironmentFault, match="is full: nothing was written"):
            history.fill(store)
        assert (history.online(store), server.rows()) == (before, rows)
        server.client("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        with pytest.raises(EnvironmentFault, match="allkeys-lru"):
            history.fill(store)

    def test_a_redis_that_goes_away_or_refuses_is_told(self, tmp_path: Path, server: Redis) -> None:
        history = _history(tmp_path, 13, 50, 2)
        store = _redis(server)
        history.fill(store)
        url = f"redis://:wrong@127.0.0.1:{server.port}/0"
        server.client("CONFIG", "SET", "requirepass", "right")
        with pytest.raises(EnvironmentFault, match="refuses the password") as e:
            history.fill(_redis(server, url=url))
        assert "wrong" not in str(e.value)
        server.stop()
        with pytest.raises(EnvironmentFault, match="does not answer"):
            history.fill(store)
        with pytest.raises(StoreAway, match="does not answer"):
            history.online(store)
