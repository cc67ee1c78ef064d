"""The target kubernetes on a real cluster, in a namespace of its own that asks `restricted`."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clusters import Load, kubeconfig, kubectl, load_command
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.packaging import image as packaged
from mlops_cli.progress import QUIET
from mlops_cli.serving import contract
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.target import KubernetesTarget
from mlops_cli.testing.target import LogConformance, TargetConformance, get

pytestmark = pytest.mark.kubernetes
PROJECT = "conformance-delays"
OURS = f"mlops-cli.dev/project={PROJECT}"
KINDS = "deployments,services,hpa,pdb,networkpolicies,serviceaccounts,replicasets,pods"


@pytest.fixture(scope="session")
def cluster() -> str:
    return kubeconfig()


@pytest.fixture(autouse=True)
def _reached(cluster: str, docker_engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skipped where there is no cluster, or no engine that builds the images."""
    monkeypatch.setenv("KUBECONFIG", cluster)


@pytest.fixture
def namespace(_reached: None, cluster: str) -> Iterator[str]:
    name = f"mlops-test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kubectl("delete", "namespace", name, "--wait=false", f"--kubeconfig={cluster}")


def made(namespace: str, *, log: bool = False, **changes: Any) -> KubernetesTarget:
    """The target with one pod and a node port that the cluster chooses, unless told otherwise."""
    settings: dict[str, Any] = {
        "namespace": namespace,
        "replicas": {"min": 1, "max": 1},
        "service": {"type": "NodePort"},
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            "limits": {"cpu": "1", "memory": "512Mi"},
        },
        "timeout": "3m",
    }
    if not changes.keys() & {"image", "registry", "load"}:
        settings["load"] = load_command()
    serve = {contract.LOG_DIR: contract.LOG} if log else {}
    return KubernetesTarget(PROJECT, KubernetesConfig.model_validate(settings | changes), serve)


@pytest.fixture
def target(namespace: str) -> KubernetesTarget:
    """What runs of it goes with its namespace, which nobody waits for."""
    return made(namespace)


class TestKubernetesTarget(TargetConformance):
    """The port's contract."""


class TestKubernetesLog(LogConformance):
    """The log's: of each pod its own."""

    @pytest.fixture
    def target(self, namespace: str) -> KubernetesTarget:
        return made(namespace, log=True)


def names(namespace: str) -> set[str]:
    """Every object of ours that is there, as kind/name."""
    return set(kubectl("get", KINDS, "-l", OURS, "-o", "name", namespace=namespace).split())


def failed(target: KubernetesTarget, release: Release) -> ClusterFault:
    with pytest.raises(ClusterFault) as caught:
        target.deploy(whole(release), progress=QUIET)
    assert caught.value.exit_code == 8
    return caught.value


def test_a_change_of_version_loses_no_request(
    target: KubernetesTarget, first: Release, second: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    with monkeypatch.context() as another_release:
        another_release.setattr(packaged, "version", lambda _: "99.0")
        (change,) = target.plan(whole(first))
        assert change.kind == "Deployment"
        assert f'image: "conformance:{first.version}-99.0"' in change.detail
    with Load(url) as load:
        target.deploy(whole(second), progress=QUIET)
    assert set(load.answers) == {first.version, second.version}
    for _ in range(20):
        assert get(url)[1]["digest"] == second.digest


def test_what_is_there_is_what_restricted_asks_and_no_more(namespace: str, first: Release) -> None:
    target = made(namespace, replicas={"min": 1, "max": 2}, service={"type": "ClusterIP"})
    found = target.deploy(whole(first), progress=QUIET)
    assert found.url == f"http://{PROJECT}.{namespace}.svc"
    kinds = {name.partition("/")[0].partition(".")[0] for name in names(namespace)}
    assert kinds == {"deployment", "service", "horizontalpodautoscaler", "poddisruptionbudget",
                     "networkpolicy", "serviceaccount", "replicaset", "pod"}  # fmt: skip
    inside = "import os; print(os.getuid(), os.path.exists('/var/run/secrets/kubernetes.io'))"
    said = kubectl("exec", f"deploy/{PROJECT}", "--", "python", "-c", inside, namespace=namespace)
    assert said.split() == ["65532", "False"]
    assert target.stop() is True
    assert names(namespace) == set()


def test_what_fails_leaves_the_old_version(
    target: KubernetesTarget, namespace: str, first: Release, second: Release
) -> None:
    def lasting() -> set[str]:
        return {name for name in names(namespace) if "replicaset" not in name}

    url = target.deploy(whole(first), progress=QUIET).url
    before = lasting()
    for fail in (cannot_be_pulled, crashes, is_interrupted):
        fail(namespace, first, second)
        assert get(url)[1]["digest"] == first.digest, fail
        assert target.plan(whole(first)) == [], fail
        found = target.status()
        assert found is not None
        assert (found.digest, found.healthy) == (first.digest, True), fail
        assert lasting() == before, fail


def cannot_be_pulled(namespace: str, first: Release, second: Release) -> None:
    fault = failed(made(namespace, image="127.0.0.1:9/absent:1", timeout="12s"), second)
    assert fault.kind == "kubernetes-image"
    assert "ImagePull" in fault.message or "ErrImage" in fault.message
    assert f"{first.version} answers on" in fault.message


def crashes(namespace: str, first: Release, second: Release) -> None:
    fault = failed(made(namespace, image=first.image.name), second)
    assert fault.kind == "kubernetes-crash"
    assert f"holds {first.version}, and {second.version} was asked for" in fault.message


def is_interrupted(namespace: str, first: Release, second: Release) -> None:
    class Interrupts:
        def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
            if "are ready" in message:
                raise KeyboardInterrupt

        def log(self, message: str) -> None:
            """Nothing."""

    with pytest.raises(KeyboardInterrupt):
        made(namespace).deploy(whole(second), progress=Interrupts())


def test_a_deploy_that_another_one_replaced_says_so_and_leaves_it(
    target: KubernetesTarget, namespace: str, first: Release, second: Release
) -> None:
    class Meanwhile:
        """Somebody else deploys while the pods of this one, which cannot start, are waited for."""

        url = ""

        def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
            if "are ready" in message:
                self.url = target.deploy(whole(second), progress=QUIET).url

        def log(self, message: str) -> None:
            """Nothing."""

    meanwhile = Meanwhile()
    with pytest.raises(ClusterFault, match=f"meanwhile: {second.version}") as caught:
        made(namespace, image="127.0.0.1:9/absent:1").deploy(whole(first), progress=meanwhile)
    assert caught.value.kind == "kubernetes-replaced"
    assert get(meanwhile.url)[1]["digest"] == second.digest
    assert target.plan(whole(second)) == []


@pytest.mark.slow
def test_a_quota_that_is_used_up_is_named(namespace: str, first: Release) -> None:
    kubectl("create", "quota", "small", "--hard=pods=0", namespace=namespace)
    fault = failed(made(namespace, timeout="15s"), first)
    assert fault.kind == "kubernetes-quota"
    assert "exceeded quota: small" in fault.message
    assert names(namespace) == set()


def test_a_pod_that_fits_no_node_is_named(namespace: str, first: Release) -> None:
    huge = {"cpu": "900", "memory": "1Gi"}
    fault = failed(
        made(namespace, timeout="10s", resources={"requests": huge, "limits": huge}), first
    )
    assert fault.kind == "kubernetes-capacity"
    assert "Unschedulable" in fault.message
    assert names(namespace) == set()


def test_a_namespace_that_is_not_there_is_named(first: Release) -> None:
    nowhere = made("mlops-test-nowhere", image="delays:1")
    assert nowhere.status() is None
    assert failed(nowhere, first).kind == "kubernetes-namespace"
    with pytest.raises(ClusterFault, match="mlops-test-nowhere"):
        nowhere.plan(whole(first))


def test_a_node_port_in_use_is_named_and_changes_nothing(
    target: KubernetesTarget, namespace: str, first: Release
) -> None:
    kubectl("create", "service", "nodeport", "taken", "--tcp=80", namespace=namespace)
    port = kubectl(
        "get", "service", "taken", "-o", "jsonpath={.spec.ports[0].nodePort}", namespace=namespace
    )
    taken = made(namespace, service={"type": "NodePort", "node_port": int(port)})
    fault = failed(taken, first)
    assert fault.kind == "kubernetes-port"
    assert port in fault.message
    assert names(namespace) == set()
    out_of_range = made(namespace, service={"type": "NodePort", "node_port": 80})
    assert failed(out_of_range, first).kind == "kubernetes-port"
    assert names(namespace) == set()


def test_somebody_elses_objects_are_neither_taken_nor_pruned(
    target: KubernetesTarget, namespace: str, first: Release
) -> None:
    kubectl("create", "service", "clusterip", PROJECT, "--tcp=80", namespace=namespace)
    fault = failed(target, first)
    assert fault.kind == "kubernetes-foreign"
    assert f"Service {PROJECT}" in fault.message
    assert names(namespace) == set()
    kubectl("delete", "service", PROJECT, namespace=namespace)
    kubectl("create", "configmap", "theirs", namespace=namespace)
    kubectl("create", "service", "clusterip", "theirs", "--tcp=80", namespace=namespace)
    target.deploy(whole(first), progress=QUIET)
    target.stop()
    left = kubectl("get", "service,configmap", "-o", "name", namespace=namespace)
    assert "service/theirs" in left
    assert "configmap/theirs" in left


def test_what_the_new_spec_has_no_more_is_pruned(namespace: str, first: Release) -> None:
    scaling = made(namespace, replicas={"min": 1, "max": 2})
    scaling.deploy(whole(first), progress=QUIET)
    assert any("autoscaler" in name for name in names(namespace))
    fixed = made(namespace)
    planned = {(c.action, c.kind) for c in fixed.plan(whole(first))}
    assert ("delete", "HorizontalPodAutoscaler") in planned
    fixed.deploy(whole(first), progress=QUIET)
    assert not any("autoscaler" in name for name in names(namespace))
    assert fixed.plan(whole(first)) == []


def test_the_number_of_pods_is_the_autoscalers(
    namespace: str, first: Release, second: Release
) -> None:
    scaling = made(namespace, replicas={"min": 1, "max": 3})
    scaling.deploy(whole(first), progress=QUIET)
    kubectl("scale", f"deploy/{PROJECT}", "--replicas=2", namespace=namespace)
    assert scaling.plan(whole(first)) == []
    scaling.deploy(whole(second), progress=QUIET)
    found = json.loads(
        kubectl(
            "get", "deploy", PROJECT, "-o", "json", "--show-managed-fields", namespace=namespace
        )
    )
    fields = found["metadata"]["managedFields"]
    owners = [e["manager"] for e in fields if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    assert "mlops" not in owners
    assert "mlops" in [e["manager"] for e in fields]  # or it would own nothing at all
    assert scaling.plan(whole(second)) == []


def test_a_change_by_hand_is_taken_back_and_another_tools_is_refused(
    target: KubernetesTarget, namespace: str, first: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    kubectl("set", "env", f"deploy/{PROJECT}", "MLOPS_DIGEST=x", "TZ=UTC", namespace=namespace)
    assert [(c.action, c.kind) for c in target.plan(whole(first))] == [("update", "Deployment")]
    target.deploy(whole(first), progress=QUIET)
    assert target.plan(whole(first)) == []
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": PROJECT}}
    service |= {"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 9}]}}
    options = ["--server-side", "--force-conflicts", "--field-manager=argocd", "-f", "-"]
    kubectl("apply", *options, given=json.dumps(service), namespace=namespace)
    fault = failed(target, first)
    assert fault.kind == "kubernetes-conflict"
    assert "argocd" in fault.message


@pytest.mark.slow
def test_an_equal_quantity_that_another_tool_owns_is_no_conflict(
    namespace: str, first: Release, second: Release
) -> None:
    """The cluster compares texts: 0.5 beside 500m would be one."""
    resources = {
        "requests": {"cpu": 0.5, "memory": "128Mi"},
        "limits": {"cpu": 1.0, "memory": "1024Mi"},
    }
    target = made(namespace, resources=resources)
    target.deploy(whole(first), progress=QUIET)
    theirs = {"requests": {"cpu": "500m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    pod = {"spec": {"containers": [{"name": "server", "resources": theirs}]}}
    owned = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": PROJECT}}
    owned |= {"spec": {"template": pod}}
    options = ["--server-side", "--field-manager=argocd", "--validate=false", "-f", "-"]
    kubectl("apply", *options, given=json.dumps(owned), namespace=namespace)
    assert target.plan(whole(first)) == []
    target.deploy(whole(second), progress=QUIET)
    theirs["requests"]["cpu"] = "600m"
    kubectl("apply", *options, "--force-conflicts", given=json.dumps(owned), namespace=namespace)
    fault = failed(target, first)
    assert fault.kind == "kubernetes-conflict"
    assert "argocd" in fault.message
    assert "cpu" in fault.message


@pytest.fixture
def joe(namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kubeconfig of an account without any rights, which is the one in use from now on."""
    kubectl("create", "serviceaccount", "joe", namespace=namespace)
    token = kubectl("create", "token", "joe", namespace=namespace).strip()
    config = yaml.safe_load(kubectl("config", "view", "--minify", "--raw", "--flatten"))
    config["users"][0]["user"] = {"token": token}
    file = tmp_path / "joe"
    file.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_who_may_not_is_told_so(namespace: str, joe: Path, first: Release) -> None:
    named = made(namespace, image="delays:1")
    fault = failed(named, first)
    assert fault.kind == "kubernetes-forbidden"
    assert f"system:serviceaccount:{namespace}:joe" in fault.message
    config = yaml.safe_load(joe.read_text())
    config["users"][0]["user"] = {"token": "nobody's"}
    joe.write_text(yaml.safe_dump(config))
    assert failed(named, first).kind == "kubernetes-unauthorized"


@pytest.mark.slow
def test_the_role_of_the_page_is_all_that_it_needs(
    namespace: str, joe: Path, first: Release, second: Release, cluster: str
) -> None:
    target = made(namespace, log=True, replicas={"min": 1, "max": 2})
    admin = f"--kubeconfig={cluster}"
    page = (Path(__file__).parents[2] / "docs/integrations/kubernetes.md").read_text(
        encoding="utf-8"
    )
    role = next(block for block in page.split("```yaml\n") if "kind: Role" in block)
    role = role.partition("```")[0].replace("namespace: models", f"namespace: {namespace}")
    kubectl("apply", "-f", "-", admin, given=role)
    who = ["--role=mlops-deploy", f"--serviceaccount={namespace}:joe", admin]
    kubectl("create", "rolebinding", "joe", *who, namespace=namespace)
    assert {c.action for c in target.plan(whole(first))} == {"create"}
    target.deploy(whole(first), progress=QUIET)
    assert failed(made(namespace, image=first.image.name), second).kind == "kubernetes-crash"
    assert target.status() is not None
    assert any(first.version in line for line in target.logs())
    target.collect(lambda _: None, closing=True)
    assert target.stop() is True


def test_the_server_accepts_all_that_is_rendered(
    target: KubernetesTarget, namespace: str, first: Release, tmp_path: Path
) -> None:
    target.render(whole(first), tmp_path)
    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path], capture_output=True, encoding="utf-8", check=True
    )
    options = ["--dry-run=server", "--validate=strict", "-f", "-"]
    said = kubectl("apply", *options, given=built.stdout, namespace=namespace)
    assert said.count("created (server dry run)") == 5
