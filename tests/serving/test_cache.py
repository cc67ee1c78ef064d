"""The result cache: the same bytes from it and from the model, and Redis may come and go."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
import decided
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving import segments
from mlops_cli.serving.board import Board
from mlops_cli.serving.cache import CachingBatcher, MemoryCache, open_cache
from mlops_cli.serving.encoder import Row
from mlops_cli.serving.metrics import Metrics
from mlops_cli.serving.micro_batch import MicroBatcher, Predicted
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.served import Served, Stores
from redis_server import Redis, needs_redis
from running import command, serving
from servers import free_port

PASSWORD = "8f3a1c/not@to:be#seen?%"


class Asked:
    """A served bundle on a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def bytes(self, path: str, body: bytes | None = None) -> bytes:
        method = "GET" if body is None else "POST"
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, {"x-request-id": "same"})
            answer = connection.getresponse()
            content = answer.read()
        assert answer.status == 200, content
        return content

    def predict(self, event: Any) -> bytes:
        return self.bytes("/v1/predict", msgspec.json.encode(event))

    def counted(self) -> tuple[int, int]:
        """Hits and lookups."""
        lines = self.bytes("/metrics").decode().splitlines()
        found = dict(x.split(" ") for x in lines if x.startswith("mlops_cache"))
        return tuple(int(found.get(f"mlops_cache_{x}_total", 0)) for x in ("hits", "lookups"))  # type: ignore[return-value]  # two

    def timed(self, event: Any) -> tuple[bytes, float]:
        started = time.monotonic()
        return self.predict(event), time.monotonic() - started


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path).start()
    yield server
    server.stop()


def test_a_hit_gives_the_bytes_of_the_miss_and_is_logged_and_counted(
    samples: dict[tuple[str, bool], bundles.Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_SERVE_CACHE", "memory:100")
    served: dict[str, bundles.Sample | decided.Decided] = {
        task: sample for (task, onnx), sample in samples.items() if not onnx
    }
    for kind in ("isotonic", "interval"):
        served[kind] = decided.write(tmp_path / f"bundle-{kind}", kind)
    for name, sample in served.items():
        log = tmp_path / name
        monkeypatch.setenv("MLOPS_SERVE_LOG__DIR", str(log))
        port = free_port()
        with serving(sample.path, "--port", str(port)) as process:
            asked = Asked(port)
            first, again = ([asked.predict(e) for e in sample.events[:20]] for _ in range(2))
            assert first == again
            assert asked.counted() == (20, 40)
            alone = [asked.predict([e]) for e in sample.events[:20]]  # a list asks the model itself
            assert alone == first
            assert asked.counted() == (20, 40)
            process.terminate()
            process.wait(40)
        lines = b"".join(p.read_bytes() for p in segments.closed(log)).splitlines()
        assert len(lines) == 60


def test_each_version_gives_its_own_numbers_from_one_cache(
    binary: bundles.Sample, tmp_path: Path
) -> None:
    other = bundles.write(tmp_path / "other", n=180)
    shared = MemoryCache(1000)

    async def ask(batcher: MicroBatcher, row: Row) -> bytes:
        return (await batcher.predict(row)).tobytes()

    async def ask_all() -> None:
        metrics = Metrics()
        for _ in range(2):
            for sample in (binary, other):
                bundle = open_bundle(sample.path)
                served = Served(bundle, open_predictor(bundle), Stores(metrics, shared))
                assert isinstance(served.batcher, CachingBatcher)
                plain = MicroBatcher(served.predictor)
                for event in binary.events[:10]:
                    row = served.predictor.row(event)
                    assert await ask(served.batcher, row) == await ask(plain, row)
        assert b"mlops_cache_hits_total 20\n" in metrics.exposition([])

    asyncio.run(ask_all())


def test_memory_keeps_what_was_asked_for_last() -> None:
    cache = MemoryCache(2)
    cache.put({b"a": b"1", b"b": b"2"})
    assert asyncio.run(cache.get([b"a"])) == [b"1"]
    cache.put({b"c": b"3"})
    assert asyncio.run(cache.get([b"a", b"b", b"c"])) == [b"1", None, b"3"]


def test_without_a_cache_there_is_none_of_it(binary: bundles.Sample) -> None:
    assert open_cache(None) is None
    bundle = open_bundle(binary.path)
    assert type(Served(bundle, open_predictor(bundle)).batcher) is MicroBatcher
    code = "import sys, mlops_cli.serving.server; print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


class _Unanswerable:
    """Who waits for a row, and cannot answer with it."""

    def __init__(self) -> None:
        self.gone = False
        self.heard: list[Exception] = []

    def predicted(self, said: Predicted, place: int) -> None:
        raise ValueError(f"row {place} of {said} is unanswerable")

    def failed(self, fault: Exception) -> None:
        self.heard.append(fault)
        self.gone = True


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("row", ["any row", "one that the model cannot take"])
def test_who_cannot_be_answered_is_told_and_nobody_else_waits_for_ever(
    binary: bundles.Sample, cached: bool, row: str
) -> None:
    bundle = open_bundle(binary.path)
    predictor = open_predictor(bundle)
    batcher = MicroBatcher(predictor)
    if cached:
        batcher = CachingBatcher(predictor, bundle.digest, MemoryCache(9), Metrics(Board(1), 0))
    alone = _Unanswerable()
    first = predictor.row(binary.events[0])

    async def ask() -> Any:
        batcher.add(first if row == "any row" else first[:-1], alone)
        beside = batcher.predict(predictor.row(binary.events[1]))
        return await asyncio.wait_for(asyncio.gather(beside, return_exceptions=True), 5)

    (beside,) = asyncio.run(ask())
    assert [type(fault) for fault in alone.heard] == [ValueError]
    if row == "any row":
        assert beside == [binary.raw[1]]
    else:
        assert isinstance(beside, ValueError)


class TestRedis:
    """Against its own server."""

    pytestmark = needs_redis

    def test_servers_share_what_one_of_them_predicted(
        self, binary: bundles.Sample, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLOPS_SERVE_CACHE", f"redis://127.0.0.1:{redis.port}/0")
        with ExitStack() as stack:
            ports = [free_port(), free_port()]
            for port in ports:
                stack.enter_context(serving(binary.path, "--port", str(port)))
            one, two = map(Asked, ports)
            first = [one.predict(event) for event in binary.events[:20]]
            assert wait_until(lambda: redis.rows() == 20, seconds=10)
            assert [two.predict(event) for event in binary.events[:20]] == first
            assert (one.counted(), two.counted()) == ((0, 20), (20, 20))

    def test_while_it_is_away_answers_are_right_and_at_once_and_it_is_used_again(
        self, binary: bundles.Sample, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLOPS_SERVE_CACHE", f"redis://127.0.0.1:{redis.port}/0")
        events, port = binary.events[:20], free_port()
        with serving(binary.path, "--port", str(port)) as process:
            asked = Asked(port)
            first = [asked.predict(event) for event in events]
            for number in (signal.SIGKILL, signal.SIGSTOP):  # gone, or silent
                redis.signal(number)
                answers = [asked.timed(event) for event in events * 3]
                assert [answer for answer, _ in answers] == first * 3
                assert max(seconds for _, seconds in answers) < 1  # a tenth is what it waits
                assert sum(seconds for _, seconds in answers) < 2  # and not one after the other
                if number == signal.SIGKILL:
                    redis.start()
                else:
                    redis.signal(signal.SIGCONT)
                assert wait_until(lambda: _hits_again(asked, events, first), seconds=20)
            process.terminate()
            process.wait(40)
            assert process.stderr is not None
            said = process.stderr.read().decode()
        assert "is not asked until it answers" in said
        assert "Traceback" not in said
        assert len(said.splitlines()) < 6

    def test_what_stands_under_another_key_is_never_an_answer(
        self, binary: bundles.Sample, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from redis import Redis as Client

        monkeypatch.setenv("MLOPS_SERVE_CACHE", f"redis://127.0.0.1:{redis.port}/0")
        port = free_port()
        with serving(binary.path, "--port", str(port)):
            asked = Asked(port)
            first = [asked.predict(event) for event in binary.events[:10]]

            def kept() -> bool:  # what a busy machine kept in vain is kept when it is asked again
                return [asked.predict(e) for e in binary.events[:10]] == first and (
                    redis.rows() == 10
                )

            assert wait_until(kept, seconds=20)
            hits = asked.counted()[0]
            with closing(Client(port=redis.port)) as client:
                names = client.keys("mlops:*")
                values = client.mget(names)
                client.mset(dict(zip(names, [*values[1:], b"short"], strict=True)))
            assert [asked.predict(event) for event in binary.events[:10]] == first
            assert asked.counted()[0] == hits

    def test_a_password_comes_from_the_environment_and_is_never_told(
        self, binary: bundles.Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        redis = Redis(tmp_path, "--requirepass", PASSWORD).start()
        url = f"redis://:${{REDIS_PASSWORD}}@127.0.0.1:{redis.port}/0"
        monkeypatch.setenv("MLOPS_SERVE_CACHE", url)
        try:
            without = subprocess.run(
                command(binary.path, "--port", "0"), capture_output=True, text=True, check=False
            )
            assert without.returncode == 2
            assert "needs the environment variable REDIS_PASSWORD" in without.stderr
            for password, hits in ((PASSWORD, 1), (f"{PASSWORD}-wrong", 0)):
                monkeypatch.setenv("REDIS_PASSWORD", password)
                port = free_port()
                with serving(binary.path, "--port", str(port)) as process:
                    asked = Asked(port)
                    first = asked.predict(binary.events[0])
                    assert wait_until(lambda: redis.rows() > 0, seconds=10)
                    assert asked.predict(binary.events[0]) == first
                    assert asked.counted()[0] >= hits
                    environment = Path(f"/proc/{process.pid}/environ").read_bytes()
                    assert environment.count(PASSWORD.encode()) == 1  # where deploy.secrets put it
                    process.terminate()
                    process.wait(40)
                    assert process.stderr is not None
                    assert PASSWORD not in process.stderr.read().decode()
        finally:
            redis.stop()


def _hits_again(asked: Asked, events: list[Any], first: list[bytes]) -> bool:
    before = asked.counted()[0]
    assert [asked.predict(event) for event in events] == first
    return asked.counted()[0] - before == len(events)


def test_what_is_no_cache_is_said_with_the_variable(binary: bundles.Sample) -> None:
    for value in ("memory:0", "memory:", "memcached://host", "redis://"):
        done = subprocess.run(
            command(binary.path, "--port", "0"),
            env=os.environ | {"MLOPS_SERVE_CACHE": value},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "MLOPS_SERVE_CACHE" in done.stderr
