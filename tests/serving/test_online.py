"""Features that the server looks up: the answers are those of events that bring them."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import ONLINE
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import BundleError
from mlops_cli.serving.app import App
from mlops_cli.serving.online.parts import micros
from mlops_cli.serving.online.sqlite import SqliteWriter
from mlops_cli.serving.predictor import open_predictor
from mlops_cli.serving.settings import Settings
from online_bundle import MOMENT, airports, asked_and_whole, looked_up, rewrite
from online_store import History
from redis_server import Redis, needs_redis
from running import Client


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return airports(tmp_path_factory.mktemp("facts"))


@pytest.fixture(scope="module")
def path(history: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return looked_up(tmp_path_factory.mktemp("bundle") / "model", history)


def _client(path: Path, online: str | None) -> Client:
    bundle = open_bundle(path)
    return Client(App(bundle, open_predictor(bundle), settings=Settings(online=online)))


def _lookups(client: Client) -> dict[str, int]:
    _, _, body = asyncio.run(client.ask("GET", "/metrics"))
    lines = [x for x in body.decode().splitlines() if x.startswith("mlops_online_lookups_total{")]
    return {line.split('"')[1]: int(line.rsplit(" ", 1)[1]) for line in lines}


def _near(a: Any, b: Any) -> bool:
    return a["label"] == b["label"] and a["probability"] == pytest.approx(b["probability"])


def test_answers_are_those_of_events_that_bring_what_featurize_makes(
    history: History, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "store.sqlite"
    with SqliteWriter(file) as writer:
        history.fill(writer, micros(MOMENT))
    asked, whole = asked_and_whole(history)
    client = _client(path, f"sqlite:{file}")

    async def ask() -> None:
        status, answer = await client.predict(whole)
        assert status == 200
        wanted = answer["predictions"]
        assert len({p["probability"] for p in wanted}) > 10
        status, answer = await client.predict(asked)
        assert status == 200
        assert all(map(_near, answer["predictions"], wanted))
        for event, one in zip(asked, wanted, strict=True):
            status, answer = await client.predict(event)
            assert status == 200
            assert _near(answer["predictions"][0], one)
        body = msgspec.json.encode(asked)
        status, _, said = await client.ask("POST", "/v1/explain", body)
        explained = msgspec.json.decode(said)["predictions"]
        assert [e["features"]["temp"] for e in explained] == pytest.approx(
            [e["temp"] for e in whole], nan_ok=True
        )
        columns = [
            {"name": "origin", "datatype": "BYTES", "data": [e["origin"] for e in asked]},
            {"name": "distance", "datatype": "INT64", "data": [e["distance"] for e in asked]},
            {"name": "at", "datatype": "BYTES", "data": [e["at"] for e in asked]},
        ]
        tensors = {"inputs": [{**c, "shape": [len(asked)]} for c in columns]}
        name = open_bundle(path).manifest.project
        status, _, said = await client.ask(
            "POST", f"/v2/models/{name}/infer", msgspec.json.encode(tensors)
        )
        assert status == 200, said
        outputs = {o["name"]: o["data"] for o in msgspec.json.decode(said)["outputs"]}
        few = [{k: e[k] for k in ("origin", "distance", "at", "temp")} for e in whole]
        _, answer = await client.predict(few)
        assert outputs["probability"] == pytest.approx(
            [p["probability"] for p in answer["predictions"]]
        )

    asyncio.run(ask())
    assert _lookups(client) == {"answered": 4 * len(asked)}


def test_an_event_without_a_key_is_told_and_one_that_brings_the_feature_needs_no_store(
    path: Path, tmp_path: Path
) -> None:
    client = _client(path, f"sqlite:{tmp_path / 'nothing.sqlite'}")
    event = bundles.events(5)[4]

    async def ask() -> None:
        assert (await client.predict({**event, "temp": 4.0}))[0] == 200
        without = {k: v for k, v in event.items() if k != "temp"}
        status, answer = await client.predict(without)
        assert (status, "store is empty" in answer["error"]["message"]) == (503, True)
        status, answer = await client.predict([event, {**without, "origin": None}])
        assert (status, answer["error"]["field"], answer["error"]["row"]) == (422, "origin", 1)
        status, answer = await client.predict({**without, "at": "yesterday"})
        assert (status, answer["error"]["field"]) == (422, "at")
        status, _ = await _client(path, None).predict(without)
        assert status == 503

    asyncio.run(ask())
    assert _lookups(client) == {"unavailable": 1}


def test_after_ttl_a_feature_is_missing_and_counted(
    history: History, path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "store.sqlite"
    with SqliteWriter(file) as writer:
        history.fill(writer, micros(MOMENT))
    client = _client(path, f"sqlite:{file}")
    event = {k: v for k, v in bundles.events(5)[4].items() if k != "temp"}

    async def ask() -> None:
        for late, missing in ((timedelta(days=2), False), (timedelta(days=2, seconds=1), True)):
            at = f"{(MOMENT + late).isoformat()}Z"
            _, found = await client.predict({**event, "at": at})
            _, without = await client.predict({**event, "at": at, "temp": None})
            assert (found["predictions"] == without["predictions"]) or not missing
        now = {k: v for k, v in event.items() if k != "at"}  # the moment is now: long after
        assert (await client.predict(now))[0] == 200

    asyncio.run(ask())
    assert _lookups(client) == {"answered": 1, "expired": 2}


class TestRedis:
    """On a real server."""

    pytestmark = needs_redis

    def test_one_that_hangs_or_goes_away_costs_a_503_and_comes_back(
        self, history: History, path: Path, tmp_path: Path
    ) -> None:
        from mlops_cli.serving.online.redis import RedisStore

        redis = Redis(tmp_path).start()
        url = f"redis://127.0.0.1:{redis.port}/0"
        project = open_bundle(path).manifest.project
        try:
            with RedisStore(url, project, "features.online") as store:
                history.fill(store, micros(MOMENT))
            asked, whole = asked_and_whole(history)
            client = _client(path, url)

            async def answered(wanted: int) -> Any:
                for _ in range(200):
                    status, answer = await client.predict(asked[0])
                    if status == wanted:
                        return answer
                    await asyncio.sleep(0.1)
                raise AssertionError(f"no {wanted} in 20 s: {answer}")

            async def ask() -> None:
                _, wanted = await client.predict(whole)
                first = await answered(200)
                assert _near(first["predictions"][0], wanted["predictions"][0])
                redis.signal(signal.SIGSTOP)
                assert "does not answer" in (await answered(503))["error"]["message"]
                assert (await client.predict(whole[0]))[0] == 200
                redis.signal(signal.SIGCONT)
                assert (await answered(200))["predictions"] == first["predictions"]
                redis.signal(signal.SIGKILL)
                await answered(503)
                redis.start()  # with nothing: it keeps nothing on disk
                for _ in range(100):
                    status, answer = await client.predict(asked[0])
                    if "is empty" in answer.get("error", {}).get("message", ""):
                        break
                    await asyncio.sleep(0.1)
                assert status == 503

            async def ask_and_close() -> None:
                try:
                    await ask()
                finally:
                    online: Any = client.app.versions.default.online
                    await online._store.aclose()

            asyncio.run(ask_and_close())
        finally:
            redis.stop()


def test_a_plan_that_does_not_fit_its_manifest_is_refused(path: Path, tmp_path: Path) -> None:
    plan = open_bundle(path).online()
    assert plan is not None
    (feature,) = plan.features
    figure = next(iter(feature.figures.values()))
    faults = {
        "no input": msgspec.structs.replace(plan, features=(
            msgspec.structs.replace(feature, keys=("who",)),)),
        "not the inputs": msgspec.structs.replace(plan, features=(
            msgspec.structs.replace(feature, name="other"),)),
        "no input of moments": msgspec.structs.replace(plan, time="origin"),
        "lacks a part": msgspec.structs.replace(plan, features=(msgspec.structs.replace(
            feature, figures={n: msgspec.structs.replace(figure, parts=()) for n in
                feature.figures}),)),
        "other figures": msgspec.structs.replace(plan, features=(
            msgspec.structs.replace(feature, figures={"x": figure}),)),
    }  # fmt: skip
    for said, wrong in faults.items():
        folder = tmp_path / said.replace(" ", "-")
        folder.mkdir()
        for file in path.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        (folder / ONLINE).write_bytes(canonical_json(wrong))
        rewrite(folder)
        with pytest.raises(BundleError, match=said):
            open_bundle(folder).online()
    rewrite(folder, major="1.1")
    with pytest.raises(BundleError, match="features that are looked up"):
        open_bundle(folder)
