"""The parts that need no cluster: kubectl's words as errors, whose fields, differences, pods."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.serving import contract
from mlops_cli.targets.base import Deployment, Release, whole
from mlops_cli.targets.kubernetes.delivery import command, deliver, image_name
from mlops_cli.targets.kubernetes.faults import ClusterFault, fault_of
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.ownership import applied, owns
from mlops_cli.targets.kubernetes.plan import changes
from mlops_cli.targets.kubernetes.pods import trouble
from mlops_cli.targets.kubernetes.target import KubernetesTarget

# As kubectl 1.32 and Kubernetes 1.34 said it.
SAID = {
    "context": "error: context \"nope\" does not exist",
    "unauthorized": "error: You must be logged in to the server (Unauthorized)",
    "quota": 'pods "delays-1" is forbidden: exceeded quota: small, requested: pods=1, used: '
    "pods=2, limited: pods=2",
    "security": 'pods "delays-1" is forbidden: violates PodSecurity "restricted:latest": '
    "runAsNonRoot != true",
    "forbidden": 'Error from server (Forbidden): services is forbidden: User "joe" cannot list '
    'resource "services" in API group "" in the namespace "models"',
    "namespace": 'Error from server (NotFound): namespaces "models" not found',
    "port": 'The Service "delays" is invalid: spec.ports[0].nodePort: Invalid value: 30190: '
    "provided port is already allocated",
    "conflict": 'error: Apply failed with 1 conflict: conflict with "argocd": .spec.type\n'
    "Please review the fields above--they currently have other managers. Here\nare the ways",
    "manifest": "Error from server: failed to create typed patch object (models/delays; /v1, "
    "Kind=Service): .sepc: field not declared in schema",
    "unreachable": "The connection to the server 127.0.0.1:1 was refused - did you specify the "
    "right host or port?",
    "cluster": "error: something that nobody has seen before",
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_what_kubectl_says_has_a_kind_and_a_way_out(kind: str) -> None:
    noise = "E1121 1 memcache.go:265] couldn't get current server API group list: dial tcp\n"
    fault = fault_of(f"{noise}Warning: unrelated, connection refused\n{SAID[kind]}\n")
    assert fault.kind == f"kubernetes-{kind}"
    assert fault.exit_code == 8
    assert "memcache" not in fault.message
    assert fault.hint or kind == "cluster"
    assert fault.after("not deployed").message.startswith("not deployed: ")
    assert len(fault_of(SAID[kind] * 100).message) <= 1000


def test_without_kubectl_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    target = KubernetesTarget("delays", KubernetesConfig(image="delays:1"))
    for ask in (target.status, target.stop, target.logs):
        with pytest.raises(ClusterFault, match="kubectl is not on the PATH") as caught:
            ask()
        assert caught.value.kind == "kubernetes-absent"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
def test_a_cluster_that_is_not_there_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\n"
        "clusters: [{name: gone, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: gone, context: {cluster: gone, user: me}}]\n"
        "users: [{name: me, user: {token: x}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    with pytest.raises(ClusterFault, match=r"127\.0\.0\.1:1") as caught:
        Kubectl(None, "default").items(["pods"])
    assert caught.value.kind == "kubernetes-unreachable"
    with pytest.raises(ClusterFault) as caught:
        Kubectl("another", "default").items(["pods"])
    assert caught.value.kind == "kubernetes-context"


def test_the_reason_of_a_first_deploy_that_failed_is_not_lost_where_nothing_can_be_deleted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, first: Release
) -> None:
    script = (
        "#!/bin/sh\n"
        'case "$*" in\n'
        "  *--dry-run=server*) cat;;\n"
        f"  apply*) echo '{SAID['quota']}' >&2; exit 1;;\n"
        f"  delete*) echo '{SAID['unauthorized']}' >&2; touch {tmp_path}/tried; exit 1;;\n"
        "esac\n"
    )
    (tmp_path / "kubectl").write_text(script)
    (tmp_path / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    serve = {contract.CONTROL_FILE: contract.CONTROL}
    target = KubernetesTarget("delays", KubernetesConfig(image="delays:1"), serve)
    with pytest.raises(ClusterFault, match="exceeded quota"):
        target.deploy(whole(first), progress=QUIET)
    assert (tmp_path / "tried").exists()


def test_another_ones_version_is_not_told_as_the_one_that_was_asked_for(
    first: Release, second: Release
) -> None:
    """It may be replaced between the last look at its rollout and the one at what answers."""

    class Replaced(KubernetesTarget):
        def status(self) -> Deployment:
            since = datetime(2024, 2, 29, tzinfo=UTC)
            return Deployment("kubernetes", second.digest, "", healthy=True, since=since)

    target = Replaced("delays", KubernetesConfig(image="delays:1"))
    with pytest.raises(ClusterFault, match=f"meanwhile: {second.version}") as caught:
        target._confirmed(Kubectl(None, "default"), first, QUIET)
    assert caught.value.kind == "kubernetes-replaced"


LIVE: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "delays",
        "namespace": "models",
        "uid": "1",
        "generation": 3,
        "labels": {"ours": "1", "theirs": "2"},
        "managedFields": [
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {}}},
            {
                "manager": "mlops",
                "operation": "Apply",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:ours": {}}},
                    "f:spec": {
                        "f:paused": {},
                        "f:gates": {'v:"a"': {}},
                        "f:template": {
                            "f:containers": {
                                'k:{"name":"server"}': {
                                    ".": {},
                                    "f:name": {},
                                    "f:image": {},
                                    "f:args": {},
                                    "f:tmp": {".": {}},
                                }
                            }
                        },
                    },
                },
            },
        ],
    },
    "spec": {
        "paused": False,
        "replicas": 4,
        "gates": ["a", "b"],
        "template": {
            "containers": [
                {"name": "sidecar", "image": "injected"},
                {"name": "server", "image": "delays:1", "args": ["x", "y"], "tmp": {}, "tty": True},
            ]
        },
    },
    "status": {"replicas": 4},
}


def test_what_was_applied_can_be_read_back_from_a_live_object() -> None:
    assert applied(LIVE) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "delays", "namespace": "models", "labels": {"ours": "1"}},
        "spec": {
            "paused": False,
            "gates": ["a"],
            "template": {
                "containers": [
                    {"name": "server", "image": "delays:1", "args": ["x", "y"], "tmp": {}}
                ]
            },
        },
    }
    assert owns(LIVE, "spec.paused")
    assert not owns(LIVE, "spec.replicas")


def test_an_object_that_we_never_applied_is_given_whole() -> None:
    found = applied(LIVE, manager="nobody")
    assert found["spec"] == LIVE["spec"]
    assert "status" not in found
    assert found["metadata"].keys() == {"name", "namespace", "labels"}


def test_a_plan_names_what_differs_and_nothing_else() -> None:
    key = ("Deployment", "delays")
    new = {
        **LIVE,
        "metadata": LIVE["metadata"] | {"generation": 4, "managedFields": []},
        "spec": LIVE["spec"] | {"paused": True, "replicas": 1, "gates": ["a"]},
        "status": {},
    }
    service = {"kind": "Service", "metadata": {"name": "delays"}, "spec": {}}
    found = changes({key: LIVE, ("Service", "old"): service}, {key: new}, scales=True)
    assert [(c.action, c.kind, c.name) for c in found] == [
        ("update", "Deployment", "delays"),
        ("delete", "Service", "old"),
    ]
    expected = ["- spec.paused: false", "+ spec.paused: true", '- spec.gates[1]: "b"']
    assert found[0].detail.splitlines() == expected
    counted = changes({key: LIVE}, {key: new}, scales=False)[0].detail.splitlines()
    assert "- spec.replicas: 4" in counted
    assert "+ spec.replicas: 1" in counted
    assert changes({key: LIVE}, {key: LIVE}, scales=False) == []
    assert changes({}, {("Service", "delays"): service}, scales=True)[0].action == "create"


def pod(**state: Any) -> dict[str, Any]:
    container = {"name": "server", "ready": False, "restartCount": 0, "state": {}} | state
    return {"metadata": {"name": "delays-1"}, "status": {"containerStatuses": [container]}}


def waits(reason: str, **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason}}} | more


DIED = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("state", "kind", "reason", "hopeless"),
    [
        (waits("ImagePullBackOff"), "image", "ImagePullBackOff", False),
        (waits("ErrImageNeverPull"), "image", "ErrImageNeverPull", True),
        (waits("CreateContainerConfigError"), "pod", "CreateContainerConfigError", False),
        ({"state": {"terminated": {"reason": "Error", "exitCode": 8}}}, "crash", "Error", False),
        (
            waits("CrashLoopBackOff", restartCount=3, lastState=DIED),
            "crash",
            "CrashLoopBackOff",
            True,
        ),
    ],
)
def test_a_pod_says_what_is_wrong_with_it(
    state: dict[str, Any], kind: str, reason: str, hopeless: bool
) -> None:
    found = trouble(pod(**state))
    assert found is not None
    assert (found.kind, found.reason, found.hopeless) == (kind, reason, hopeless)
    assert reason in found.fault("last line").message


def test_a_pod_that_has_just_been_made_is_well() -> None:
    assert trouble(pod(state={"waiting": {"reason": "ContainerCreating"}})) is None
    assert trouble(pod(state={"running": {}})) is None
    assert trouble({"metadata": {"name": "delays-1"}, "status": {}}) is None


class Recorded:
    """An image that notes what it was asked."""

    name = "delays:1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def name_in(self, registry: str) -> str:
        return f"{registry}/{self.name}"

    def build(self, *, progress: object) -> str:
        self.asked.append("build")
        return self.name

    def push(self, registry: str, *, progress: object) -> str:
        self.asked.append(f"push {registry}")
        return self.name_in(registry)


def test_the_image_gets_there_one_of_three_ways(tmp_path: Path) -> None:
    image = Recorded()
    pushed = KubernetesConfig(registry="r.example.com/team")
    assert image_name(pushed, image) == "r.example.com/team/delays:1"
    deliver(pushed, image, progress=QUIET)
    script = tmp_path / "load it"
    script.write_text("import sys; open(sys.argv[1], 'w').write(sys.argv[2])")
    load = f"{sys.executable} '{script}' '{tmp_path}/a file' {{image}};true"
    loaded = KubernetesConfig(load=load)
    assert image_name(loaded, image) == "delays:1"
    deliver(loaded, image, progress=QUIET)
    assert (tmp_path / "a file").read_text() == "delays:1;true"
    deliver(KubernetesConfig(image="x/y@sha256:1"), image, progress=QUIET)
    assert image.asked == ["push r.example.com/team", "build"]


def test_a_load_that_fails_is_told_with_what_it_said() -> None:
    fails = f"{sys.executable} -c 'raise SystemExit(\"no node {{image}}\")'"
    with pytest.raises(ClusterFault, match="ended with code 1: no node delays:1"):
        deliver(KubernetesConfig(load=fails), Recorded(), progress=QUIET)
    with pytest.raises(ClusterFault, match="no-such-program cannot be run"):
        deliver(KubernetesConfig(load="no-such-program {image}"), Recorded(), progress=QUIET)
    with pytest.raises(UsageError, match="is no command"):
        command("kind 'load {image}", "delays:1")


def test_without_a_way_for_the_image_nothing_begins(first: Release, tmp_path: Path) -> None:
    target = KubernetesTarget("delays", KubernetesConfig())
    for ask in (
        lambda: target.deploy(whole(first), progress=QUIET),
        lambda: target.plan(whole(first)),
        lambda: target.render(whole(first), tmp_path / "out"),
    ):
        with pytest.raises(UsageError, match="no way for the image") as caught:
            ask()
        assert "kind load docker-image" in (caught.value.hint or "")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
def test_rendering_asks_no_cluster(
    first: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    target = KubernetesTarget("delays", KubernetesConfig(image="delays:1"))
    files = target.render(whole(first), tmp_path / "out")
    monkeypatch.undo()
    assert len(files) == 7
    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path / "out"], capture_output=True, check=True
    )
    assert first.version.encode() in built.stdout
