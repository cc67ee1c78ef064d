"""A rollout on a cluster: two versions beside each other, by the pods and by a gateway's route."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from clusters import Load, kubectl, small
from mlops_cli._poll import wait_until
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.serving import contract
from mlops_cli.serving.traffic import Document, Traffic, parse_document
from mlops_cli.targets.base import Counted, Release, RolloutMoved, whole
from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.rights import tick_rights
from mlops_cli.targets.kubernetes.target import KubernetesTarget

pytestmark = pytest.mark.kubernetes
PROJECT = "rollout-delays"
SERVE = {
    contract.CONTROL_FILE: contract.CONTROL,
    contract.ROLLOUT: f"{contract.ROLLOUTS}/rollout.json",
}
OURS = f"mlops-cli.dev/project={PROJECT}"
KINDS = "deployments,services,hpa,pdb,networkpolicies,serviceaccounts,configmaps,secrets"
ROUTED = "gateways.gateway.networking.k8s.io,httproutes.gateway.networking.k8s.io"
CLASS, PORT, HOST = "traefik", 18080, "delays.example"


def document(pair: tuple[Release, Release], generation: int, percent: float, path: str) -> bytes:
    traffic = Traffic(
        salt="salt",
        champion=pair[0].digest,
        candidate=pair[1].digest,
        percent=percent,
        step=generation,
        candidate_path=path,
    )
    return msgspec.json.encode(Document(generation, traffic))


def over(generation: int) -> bytes:
    return msgspec.json.encode(Document(generation))


def requests(counted: tuple[Counted, ...]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in counted:
        for tally in one.tallies:
            found[tally.arm] += tally.requests
            assert not tally.errors
    return found


def names(namespace: str, kinds: str = KINDS) -> set[str]:
    return set(kubectl("get", kinds, "-l", OURS, "-o", "name", namespace=namespace).split())


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


ACCOUNT = "tick"


@pytest.fixture
def account(namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig of a ServiceAccount that has the rights of a tick, and no others."""
    rules: list[dict[str, Any]] = [
        {"apiGroups": [r.group], "resources": r.resources, "verbs": r.verbs}
        | ({"resourceNames": r.names} if r.names else {})
        for r in tick_rights(PROJECT, routed=False, logged=False)
    ]
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "rules": rules,
    }
    role |= {"metadata": {"name": ACCOUNT, "namespace": namespace}}
    kubectl("create", "serviceaccount", ACCOUNT, namespace=namespace)
    kubectl("apply", "-f", "-", given=json.dumps(role))
    who = [f"--role={ACCOUNT}", f"--serviceaccount={namespace}:{ACCOUNT}"]
    kubectl("create", "rolebinding", ACCOUNT, *who, namespace=namespace)
    token = kubectl("create", "token", ACCOUNT, namespace=namespace).strip()
    config = yaml.safe_load(kubectl("config", "view", "--minify", "--raw", "--flatten"))
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / ACCOUNT
    file.write_text(yaml.safe_dump(config))
    return file


def api_server() -> str:
    config = yaml.safe_load(kubectl("config", "view", "--minify"))
    return urlsplit(config["clusters"][0]["cluster"]["server"]).hostname or ""


def reached(pod: Any) -> bool:
    connection = http.client.HTTPConnection(pod["status"]["podIP"], contract.PORT, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_the_account_of_a_tick_carries_a_rollout_to_its_end(
    target: KubernetesTarget,
    account: Path,
    namespace: str,
    first: Release,
    second: Release,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = first, second
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


def may(what: str, namespace: str) -> bool:
    asked = ["kubectl", "auth", "can-i", *what.split(), f"--namespace={namespace}"]
    done = subprocess.run(asked, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() == "yes"


def by_route(namespace: str, **gateway: Any) -> KubernetesTarget:
    config = small(namespace, 1).model_dump(by_alias=True)
    config |= {
        "router": "gateway",
        "gateway": {"class": CLASS, "host": HOST, "port": PORT} | gateway,
    }
    config["service"] = {"type": "ClusterIP"}
    return KubernetesTarget(PROJECT, KubernetesConfig.model_validate(config), SERVE)


@pytest.fixture
def gateway_class(namespace: str) -> None:
    try:
        kubectl("get", f"gatewayclasses.gateway.networking.k8s.io/{CLASS}")
    except AssertionError:
        pytest.skip(f"the cluster has no GatewayClass {CLASS}")


def answered(n: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(n):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
        connection.request("GET", "/readyz", headers={"Host": HOST})
        answer = connection.getresponse()
        said = answer.read()
        found[json.loads(said)["digest"] if answer.status == 200 else str(answer.status)] += 1
        connection.close()
    return found


@pytest.mark.usefixtures("gateway_class")
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
