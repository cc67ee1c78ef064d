"""A rollout on a cluster by a gateway: its route, its rights, and Gateways that are there."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clusters import CLASS, PORT, gateway, kubectl, small
from mlops_cli._poll import wait_until
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.progress import QUIET
from mlops_cli.serving.rollouts.marked import Mark
from mlops_cli.serving.rollouts.traffic import parse_document
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.target import KubernetesTarget
from on_a_cluster import (
    PROJECT,
    ROUTED,
    SERVE,
    account_of,
    api_server,
    document,
    may,
    names,
    over,
    reached,
)  # fmt: skip

pytestmark = pytest.mark.kubernetes
HOST = "delays.example"


def by_route(namespace: str, **others: Any) -> KubernetesTarget:
    config = small(namespace, 1).model_dump(by_alias=True)
    config |= {"router": "gateway", "gateway": gateway(HOST, **others)}
    config["service"] = {"type": "ClusterIP"}
    return KubernetesTarget(PROJECT, KubernetesConfig.model_validate(config), SERVE)


def answered(n: int, head: dict[str, str] | None = None) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(n):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        connection.request("GET", "/readyz", headers={"Host": HOST} | (head or {}))
        answer = connection.getresponse()
        said = answer.read()
        found[json.loads(said)["digest"] if answer.status == 200 else str(answer.status)] += 1
        connection.close()
    return found


def test_a_route_divides_the_traffic_between_two_deployments(
    namespace: str, first: Release, second: Release
) -> None:
    target, pair = by_route(namespace), (first, second)
    target.deploy(whole(first), progress=QUIET)
    assert wait_until(lambda: set(answered(1)) == {first.digest}, seconds=30, step=0.5)
    path = target.bring_beside(*pair, progress=QUIET)
    assert set(answered(40)) == {first.digest}
    target.keep_rollout(document(pair, 1, 30.0, path), None)
    assert wait_until(lambda: len(answered(20)) == 2, seconds=30, step=0.5)
    assert {parse_document(c.document or b"").traffic.arm for c in target.counted()} == {  # type: ignore[union-attr]
        "champion",
        "candidate",
    }
    assert target.plan(whole(second)) == []
    edited = json.loads(kubectl("get", f"httproute/{PROJECT}", "-o", "json", namespace=namespace))
    for backend, weight in zip(edited["spec"]["rules"][0]["backendRefs"], (1, 9), strict=True):
        backend["weight"] = weight
    kubectl("replace", "-f", "-", given=json.dumps(edited), namespace=namespace)
    kept = target.rollout()
    assert kept is not None
    traffic = parse_document(kept.document).traffic
    assert traffic is not None
    assert traffic.percent == 90.0
    target.keep_rollout(document(pair, 2, 100.0, path), kept)
    assert wait_until(lambda: set(answered(20)) == {second.digest}, seconds=30, step=0.5)
    target.deploy(whole(second), progress=QUIET)
    assert set(answered(40)) == {second.digest}
    assert {n for n in names(namespace) if "candidate" in n} == set()
    assert target.plan(whole(second)) == []
    assert target.stop() is True
    assert names(namespace) | names(namespace, ROUTED) == set()


def test_a_class_that_is_not_there_is_named(namespace: str, first: Release) -> None:
    with pytest.raises(ClusterFault, match="no GatewayClass nobody") as caught:
        by_route(namespace, **{"class": "nobody"}).deploy(whole(first), progress=QUIET)
    assert caught.value.kind == "kubernetes-gateway"
    assert caught.value.exit_code == 8
    with pytest.raises(ClusterFault, match="no Gateway nobody"):
        by_route(namespace, name="nobody").deploy(whole(first), progress=QUIET)


@pytest.mark.slow
def test_the_account_of_a_tick_carries_a_route_to_its_end(
    namespace: str,
    first: Release,
    second: Release,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    target, pair = by_route(namespace), (first, second)
    target.deploy(whole(first), progress=QUIET)
    path = target.bring_beside(*pair, progress=QUIET)
    target.keep_rollout(document(pair, 1, 30.0, path), None)
    every = json.loads(kubectl("get", "pods", "-o", "json", namespace=namespace))["items"]
    if not reached(every[0]):
        pytest.skip("pods are not reached from here, as a CronJob reaches them")
    account = account_of(namespace, tmp_path, routed=True)
    with monkeypatch.context() as mine:
        mine.setenv("KUBECONFIG", str(account))
        mine.setenv("KUBERNETES_SERVICE_HOST", api_server())
        assert len(target.counted()) == 2
        target.keep_seen(b"{}")
        target.keep_rollout(document(pair, 2, 100.0, path), target.rollout())
        assert wait_until(lambda: set(answered(20)) == {second.digest}, seconds=30, step=0.5)
        assert target.deploy(whole(second), progress=QUIET).digest == second.digest
        target.keep_rollout(over(3), target.rollout())
        assert target.alone(second.digest)
        for what in ("create httproutes", "delete httproutes", "patch gateways", "patch services",
                     "delete deployments/rollout-delays", "patch httproutes/another"):  # fmt: skip
            assert not may(what, namespace), what
    assert set(answered(20)) == {second.digest}
    assert {n for n in names(namespace) if "candidate" in n} == set()
    target.stop()


def shared(namespace: str, **listener: Any) -> None:
    """A Gateway of somebody else's, called `shared`."""
    listens = {"name": "web", "protocol": "HTTP", "port": PORT} | listener
    made = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway"}
    given = made | {
        "metadata": {"name": "shared"},
        "spec": {"gatewayClassName": CLASS, "listeners": [listens]},
    }
    kubectl("apply", "-f", "-", given=json.dumps(given), namespace=namespace)


@pytest.mark.slow
@pytest.mark.parametrize("hostname", [{}, {"hostname": "*.example"}, {"hostname": HOST}], ids=str)
def test_a_gateway_that_is_there_is_joined_and_left(
    hostname: dict[str, str], namespace: str, first: Release, second: Release
) -> None:
    target, pair = by_route(namespace, name="shared", **{"class": None}), (first, second)
    with pytest.raises(ClusterFault, match="no Gateway shared"):
        target.deploy(whole(first), progress=QUIET)
    shared(namespace, **hostname)
    target.deploy(whole(first), progress=QUIET)
    assert wait_until(lambda: set(answered(1)) == {first.digest}, seconds=30, step=0.5)
    path = target.bring_beside(*pair, progress=QUIET)
    target.keep_rollout(document(pair, 1, 100.0, path), None)
    assert wait_until(lambda: set(answered(20)) == {second.digest}, seconds=30, step=0.5)
    assert target.stop() is True
    there = kubectl("get", ROUTED, "-o", "name", namespace=namespace).split()
    assert there == ["gateway.gateway.networking.k8s.io/shared"]
    assert names(namespace) == set()


@pytest.mark.slow
def test_a_gateway_that_does_not_listen_there_is_told_and_nothing_of_the_candidate_stays(
    namespace: str, first: Release, second: Release
) -> None:
    target = by_route(namespace, name="shared", **{"class": None})
    shared(namespace, port=PORT + 1)
    target.deploy(whole(first), progress=QUIET)
    with pytest.raises(ClusterFault, match=f"shared has no HTTP listener at port {PORT}") as caught:
        target.bring_beside(first, second, progress=QUIET)
    assert caught.value.kind == "kubernetes-gateway"
    assert {n for n in names(namespace) if "candidate" in n} == set()
    assert target.alone(first.digest)
    target.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mark", "head"),
    [
        (Mark("yes", header="X-Candidate"), {"x-candidate": "yes"}),
        (Mark("yes", cookie="try.it"), {"cookie": "a=1; try.it=yes; b=2"}),
    ],
    ids=["header", "cookie"],
)
def test_a_route_brings_testers_to_the_candidate_whatever_its_share(
    mark: Mark, head: dict[str, str], namespace: str, first: Release, second: Release
) -> None:
    target, pair = by_route(namespace), (first, second)
    target.testers = mark
    target.deploy(whole(first), progress=QUIET)
    path = target.bring_beside(*pair, progress=QUIET)
    none = parse_document(document(pair, 1, 0.0, path))
    assert none.traffic is not None
    told = msgspec.structs.replace(none.traffic, testers=mark)
    target.keep_rollout(msgspec.json.encode(msgspec.structs.replace(none, traffic=told)), None)
    assert wait_until(lambda: set(answered(20, head)) == {second.digest}, seconds=30, step=0.5)
    nearly = {name: value.replace("yes", "yess") for name, value in head.items()}
    assert set(answered(20)) | set(answered(20, nearly)) == {first.digest}
    assert target.plan(whole(second)) == []
    kept = target.rollout()
    assert kept is not None
    assert parse_document(kept.document).traffic == told
    target.keep_rollout(over(2), kept)
    assert wait_until(lambda: set(answered(20, head)) == {first.digest}, seconds=30, step=0.5)
    target.deploy(whole(first), progress=QUIET)
    assert target.alone(first.digest)
    target.stop()
