"""Features that a container and a pod look up in a Redis: as if the events brought them."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from clusters import kubectl, small
from engine import docker
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.config.load import load_project
from mlops_cli.packaging.image import project_image
from mlops_cli.progress import QUIET
from mlops_cli.serving.online.parts import micros
from mlops_cli.targets.base import Release, Target, whole
from mlops_cli.targets.docker.target import open_target as open_docker
from mlops_cli.targets.kubernetes.target import open_target as open_kubernetes
from online_bundle import MOMENT, airports, asked_and_whole, looked_up
from online_store import History
from redis_server import Redis, needs_redis
from servers import free_port

pytestmark = [*needs_redis, pytest.mark.slow]
NAME = f"looked-up-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
PASSWORD = "planted/redis@password"


@pytest.fixture
def redis(docker_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """With a password, at the address at which containers and pods reach this machine."""
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    host = str(next(ip_network(subnet.strip()).hosts()))
    monkeypatch.setenv("REDIS_PASSWORD", PASSWORD)
    server = Redis(tmp_path, "--requirepass", PASSWORD, host=host).start()
    yield server
    server.stop()


@pytest.fixture
def history(tmp_path: Path) -> History:
    (tmp_path / "facts").mkdir()
    return airports(tmp_path / "facts")


def _project(root: Path, history: History, redis: Redis, deploy: str) -> Release:
    (root / "mlops.yaml").write_text(
        f"project: {NAME}\ntask: binary\ndata: {{table: t.csv, target: y}}\n"
        "features:\n"
        f'  online: "redis://:${{REDIS_PASSWORD}}@{redis.host}:{redis.port}/0"\n'
        "  aggregates: [{name: temp, expr: avg(x), table: facts.parquet, by: [k], window: 1d, "
        "lag: 1h, source: online}]\n"
        f"deploy: {{secrets: [REDIS_PASSWORD]{deploy}}}\n"
    )
    bundle = open_bundle(looked_up(root / ".mlops/bundles/looked-up", history))
    return Release(bundle, project_image(load_project(root), bundle))


def _fill(history: History, redis: Redis, project: str) -> None:
    from mlops_cli.serving.online.redis import RedisStore

    url = f"redis://:${{REDIS_PASSWORD}}@{redis.host}:{redis.port}/0"
    with RedisStore(url, project, "features.online") as store:
        history.fill(store, micros(MOMENT))


def _holds(target: Target, release: Release, history: History, redis: Redis) -> None:
    """Answers with what is looked up are those of events that bring it, whatever Redis does."""
    url = target.deploy(whole(release), progress=QUIET).url
    predict = f"{url}/v1/predict"
    asked, brought = asked_and_whole(history)
    status, answer = ask(predict, asked[0])
    assert (status, "store is empty" in answer["error"]["message"]) == (503, True)
    _fill(history, redis, release.bundle.manifest.project)
    wanted = _predictions(predict, brought)
    assert len({p["probability"] for p in wanted}) > 10
    assert wait_until(lambda: ask(predict, asked[0])[0] == 200, seconds=30)
    assert _near(_predictions(predict, asked), wanted)
    redis.signal(signal.SIGKILL)
    assert wait_until(lambda: ask(predict, asked[0])[0] == 503, seconds=30)
    assert ask(predict, brought[0])[0] == 200, "who brings the feature needs no store"
    redis.start()
    _fill(history, redis, release.bundle.manifest.project)
    assert wait_until(lambda: ask(predict, asked[0])[0] == 200, seconds=30)
    assert _near(_predictions(predict, asked), wanted)


def ask(url: str, content: Any) -> tuple[int, Any]:
    asked = urllib.request.Request(url, json.dumps(content).encode())
    asked.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        with e:
            return e.code, json.load(e)


def _predictions(url: str, events: list[Any]) -> list[Any]:
    status, answer = ask(url, events)
    assert status == 200, answer
    return list(answer["predictions"])


def _near(found: list[Any], wanted: list[Any]) -> bool:
    return all(
        a["label"] == b["label"] and a["probability"] == pytest.approx(b["probability"])
        for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.docker
def test_a_container_looks_up(project: Path, history: History, redis: Redis) -> None:
    release = _project(project, history, redis, f", port: {free_port()}")
    target = open_docker(load_project(project))
    try:
        _holds(target, release, history, redis)
    finally:
        target.stop()


@pytest.mark.kubernetes
def test_a_pod_looks_up(project: Path, history: History, redis: Redis, namespace: str) -> None:
    literal = f"--from-literal=REDIS_PASSWORD={PASSWORD}"
    kubectl("create", "secret", "generic", f"{NAME}-secrets", literal, namespace=namespace)
    section = small(namespace, 1).model_dump(mode="json", exclude_unset=True)
    release = _project(project, history, redis, f", target: kubernetes, kubernetes: {section}")
    _holds(open_kubernetes(load_project(project)), release, history, redis)
