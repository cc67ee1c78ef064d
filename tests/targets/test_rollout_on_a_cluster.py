"""A rollout on a cluster: two versions in the same pods, and what the account of a tick may do."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from clusters import Load, kubectl, small
from mlops_cli._poll import wait_until
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.serving.rollouts.traffic import Document, Traffic, parse_document
from mlops_cli.targets.base import Counted, Release, RolloutMoved, whole
from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.target import KubernetesTarget
from on_a_cluster import (
    OURS,
    PROJECT,
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


def requests(counted: tuple[Counted, ...]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in counted:
        for tally in one.tallies:
            found[tally.arm] += tally.requests
            assert not tally.errors
    return found


def pods(namespace: str) -> list[str]:
    selector = f"{OURS},app.kubernetes.io/managed-by=mlops"
    return kubectl("get", "pods", "-l", selector, "-o", "name", namespace=namespace).split()


@pytest.fixture
def target(namespace: str) -> KubernetesTarget:
    return KubernetesTarget(PROJECT, small(namespace, 2), SERVE)


def test_pods_divide_the_traffic_and_lose_no_request(
    target: KubernetesTarget, namespace: str, first: Release, second: Release
) -> None:
    url, pair = target.deploy(whole(first), progress=QUIET).url, (first, second)
    assert target.rollout() is None
    with Load(url) as load:
        path = target.bring_beside(*pair, progress=QUIET)
        assert set(load.answers) == {first.version}
        target.keep_rollout(document(pair, 1, 100.0, path), None)
        kept = target.rollout()
        assert kept is not None
        assert wait_until(lambda: load.answers[second.version] > 20, seconds=20, step=0.1)
        assert not target.alone(first.digest)
        assert target.plan(whole(second)) == []
        target.keep_rollout(document(pair, 2, 30.0, path), kept)
        with pytest.raises(RolloutMoved):
            target.keep_rollout(document(pair, 3, 80.0, path), kept)
        before = requests(target.counted())
        assert before["candidate"] > 20
        assert len(target.counted()) == 2
        kubectl("delete", pods(namespace)[0], "--wait=false", namespace=namespace)
        assert wait_until(lambda: len(target.counted()) == 2, seconds=60, step=0.5)
        assert {parse_document(c.document or b"").generation for c in target.counted()} == {2}
        kubectl("delete", "configmap", f"{PROJECT}-rollout", namespace=namespace)
        assert target.rollout() is None
        assert {parse_document(c.document or b"").generation for c in target.counted()} == {2}
        target.keep_rollout(document(pair, 3, 100.0, path), None)
        target.deploy(whole(second), progress=QUIET)
        target.keep_rollout(over(4), target.rollout())
    assert set(load.answers) == {first.version, second.version}
    assert target.alone(second.digest)
    assert target.plan(whole(second)) == []
    assert target.stop() is True
    assert names(namespace) == set()


def test_a_candidate_that_no_pod_can_load_changes_nothing(
    target: KubernetesTarget, namespace: str, first: Release, second: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    target.bring_beside(first, second, progress=QUIET)
    with pytest.raises(UsageError, match="is not a bundle"):
        target.keep_rollout(document((first, second), 1, 5.0, "/nowhere"), None)
    traffic = Traffic("salt", first.digest, "0" * 64, 5.0, 0, "/nowhere")
    with pytest.raises(
        UsageError, match="000000000000 is none of the versions that MLOPS_DIGEST allows"
    ):
        target.keep_rollout(msgspec.json.encode(Document(1, traffic)), None)
    assert target.rollout() is None
    target.deploy(whole(first), progress=QUIET)
    assert target.alone(first.digest)


def test_the_account_of_a_tick_carries_a_rollout_to_its_end(
    target: KubernetesTarget,
    namespace: str,
    first: Release,
    second: Release,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    pair, account = (first, second), account_of(namespace, tmp_path, routed=False)
    target.deploy(whole(first), progress=QUIET)
    path = target.bring_beside(*pair, progress=QUIET)
    target.keep_rollout(document(pair, 1, 30.0, path), None)
    every = json.loads(kubectl("get", "pods", "-o", "json", namespace=namespace))["items"]
    with monkeypatch.context() as mine:
        mine.setenv("KUBECONFIG", str(account))
        with pytest.raises(ClusterFault, match="pods/exec") as caught:
            target.counted()  # from outside it would have to be asked through `exec`
        assert caught.value.kind == "kubernetes-forbidden"
        if not reached(every[0]):
            pytest.skip("pods are not reached from here, as a CronJob reaches them")
        mine.setenv("KUBERNETES_SERVICE_HOST", "192.0.2.1")  # a pod of another cluster
        with pytest.raises(ClusterFault, match="pods/exec"):
            target.counted()
        mine.setenv("KUBERNETES_SERVICE_HOST", api_server())  # a pod of this one
        status = target.status()
        assert status is not None
        assert status.url == f"http://{PROJECT}.{namespace}.svc"
        assert len(target.counted()) == 2
        target.keep_seen(b"{}")
        target.keep_rollout(document(pair, 2, 100.0, path), target.rollout())
        assert {parse_document(c.document or b"").generation for c in target.counted()} == {2}
        assert target.deploy(whole(second), progress=QUIET).digest == second.digest
        target.keep_rollout(over(3), target.rollout())
        target.keep_anchor("an-entry")
        assert target.alone(second.digest)
        # What is worse after the end goes back, too: by the image that stood there before.
        assert target.deploy(whole(first), progress=QUIET).digest == first.digest
        assert target.alone(first.digest)
        for what in ("create pods/exec", "get secrets", "patch services", "create deployments",
                     "delete deployments", "patch roles", "delete pods"):  # fmt: skip
            assert not may(what, namespace), what
        for what in ("update configmaps/rollout-delays-rollout", "list pods",
                     "get secrets/rollout-delays-control",
                     "patch deployments/rollout-delays"):  # fmt: skip
            assert may(what, namespace), what
