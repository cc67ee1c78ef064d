"""The manifests: what a user sets arrives as it is, and nothing that he sets can add a field."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pydantic import ValidationError

from mlops_cli._templates import as_yaml, render_yaml
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.serving import contract, server
from mlops_cli.targets.kubernetes.manifests import Spec, manifests, objects, write_manifests
from mlops_cli.targets.kubernetes.naming import object_name, pod_selector

DIGEST = "3fa9c1d20b7e" + "0" * 52
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
# YAML's own characters, Jinja's, and what readers of YAML disagree on, beside any other text.
SPECIAL = "\n\r\t\"'\\:#{}[]&*!|>%@`,- \x00\x7f\x85\u2028\ufeff😀"
PHRASES = ("{{ 1 }}", "{% raw %}", "a\n  hostNetwork: true", '"}, "b": {"c": "', "yes", "1e3", "~")
HOSTILE = st.sampled_from(PHRASES) | st.text(
    st.one_of(st.sampled_from(SPECIAL), st.characters(codec="utf-8"))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | HOSTILE,
    lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner),
    max_leaves=8,
)


def spec(**changes: Any) -> Spec:
    config = KubernetesConfig(**{"namespace": "models", "image": "delays:1"} | changes)
    return Spec("delays", DIGEST, "delays:1", config)


def deployment(**changes: Any) -> dict[str, Any]:
    return objects(spec(**changes))["Deployment", "delays"]


def replaced(value: Any, marks: dict[str, str]) -> Any:
    """The same data with each mark replaced, as a key or a value by itself."""
    if isinstance(value, dict):
        return {k: replaced(v, marks) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, marks) for v in value]
    return marks.get(value, value) if isinstance(value, str) else value


def unchecked(image: str, secret: str, memory: str) -> Spec:
    """Values that the configuration would refuse: the templates must hold without its help."""
    config = spec().config
    limits = config.resources.limits.model_copy(update={"memory": memory})
    resources = config.resources.model_copy(update={"limits": limits})
    changes = {"pull_secret": secret, "resources": resources}
    return Spec("delays", DIGEST, image, config.model_copy(update=changes))


@settings(deadline=None, max_examples=60)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_value_can_break_the_yaml_or_bring_a_field(image: str, secret: str, memory: str) -> None:
    marks = {"IMAGE": image, "SECRET": secret, "MEMORY": memory}
    plain = objects(unchecked(*marks)).values()
    hostile = unchecked(image, secret, memory)
    expected = [replaced(thing, marks) for thing in plain]
    assert list(objects(hostile).values()) == expected
    assert [yaml.safe_load(text) for text in manifests(hostile).values()] == expected


@settings(deadline=None)
@given(JSON)
def test_a_value_comes_back_from_yaml_as_it_went_in(value: Any) -> None:
    text = as_yaml(value)
    assert len(text.splitlines()) == 1
    assert yaml.safe_load(f"[{text}]") == [value]


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf"), object()])
def test_what_no_yaml_may_hold_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        as_yaml(value)


@settings(deadline=None, max_examples=300)
@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z"))
def test_every_project_has_a_name_in_the_cluster(project: str) -> None:
    name = object_name(project)
    assert DNS_1035.fullmatch(name)
    assert len(name) <= 45
    assert name == project or object_name(name) == name != object_name(project.swapcase() + "x")


def test_projects_that_look_alike_have_names_of_their_own() -> None:
    alike = ["delays", "Delays", "DELAYS", "d.elays", "d-elays", "d_elays", "delays-", "1delays"]
    assert len({object_name(project) for project in alike}) == len(alike)
    assert len({object_name("a" * 45 + end) for end in ("b", "c", "")}) == 3


def test_the_pod_is_all_that_restricted_asks() -> None:
    pod = deployment()["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == contract.USER == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["ports"][0]["containerPort"] == contract.PORT == 8000
    assert {m["mountPath"] for m in container["volumeMounts"]} == {"/tmp"}


def test_a_pod_has_the_time_to_finish_what_it_was_asked() -> None:
    pod = deployment()["spec"]["template"]["spec"]
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    after = server.GRACE + server.FIRST_REQUEST + server.HANDSHAKE + server.FINISH
    assert pod["terminationGracePeriodSeconds"] > before + after


def test_where_the_load_decides_the_deployment_does_not() -> None:
    scaled = objects(spec(replicas={"min": 2, "max": 6}, autoscaling={"scale_down_after": "90s"}))
    assert "replicas" not in scaled["Deployment", "delays"]["spec"]
    autoscaler = scaled["HorizontalPodAutoscaler", "delays"]["spec"]
    assert (autoscaler["minReplicas"], autoscaler["maxReplicas"]) == (2, 6)
    assert autoscaler["behavior"]["scaleDown"] == {"stabilizationWindowSeconds": 90}
    fixed = objects(spec(replicas={"min": 3, "max": 3}))
    assert fixed["Deployment", "delays"]["spec"]["replicas"] == 3
    assert ("HorizontalPodAutoscaler", "delays") not in fixed


def test_only_the_deployment_changes_from_version_to_version() -> None:
    old, new = objects(spec()), objects(Spec("delays", "b" * 64, "delays:2", spec().config))
    assert [key for key in old if old[key] != new[key]] == [("Deployment", "delays")]
    found = new["Deployment", "delays"]
    assert found["spec"]["selector"]["matchLabels"] == pod_selector("delays")
    for metadata in (found["metadata"], found["spec"]["template"]["metadata"]):
        assert metadata["labels"]["mlops-cli.dev/version"] == "b" * 12
        assert metadata["annotations"]["mlops-cli.dev/digest"] == "b" * 64


def test_how_the_image_comes_decides_who_may_pull_it() -> None:
    loaded = deployment(image=None, load="kind load docker-image {image}")
    assert loaded["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Never"
    named = deployment(pull_secret="login")["spec"]["template"]["spec"]
    assert named["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert named["imagePullSecrets"] == [{"name": "login"}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": "Models"},
        {"namespace": "a\nb"},
        {"namespace": "-a"},
        {"image": "a b"},
        {"image": "--privileged"},
        {"load": "kind load docker-image"},
        {"registry": "http://registry"},
        {"image": "a", "registry": "b"},
        {"replicas": {"min": 3, "max": 2}},
        {"service": {"node_port": 30080}},
        {"resources": {"limits": {"cpu": "1", "memory": "plenty"}}},
        {"timeout": "1s"},
        {"pull_secret": "a\n"},
    ],
)
def test_what_no_cluster_would_take_is_refused_when_it_is_read(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KubernetesConfig(**wrong)


def test_a_number_of_cores_may_be_a_number() -> None:
    resources = {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 0.5, "memory": "1Gi"}}
    found = deployment(resources=resources)["spec"]["template"]["spec"]["containers"][0]
    assert found["resources"]["limits"]["cpu"] == "1"
    assert found["resources"]["requests"]["cpu"] == "500m"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on the PATH")
def test_kustomize_works_on_what_is_rendered(tmp_path: Path) -> None:
    hostile = Spec("Delays.", DIGEST, 'x"\n  y: {{ 1 }} 😀', spec().config)
    files = write_manifests(hostile, tmp_path)
    assert [f.name for f in files][-1] == "kustomization.yaml"
    built = subprocess.run(
        ["kubectl", "kustomize", tmp_path], capture_output=True, encoding="utf-8", check=True
    )
    found = {(x["kind"], x["metadata"]["name"]): x for x in yaml.safe_load_all(built.stdout)}
    assert found == objects(hostile)


def test_a_template_cannot_forget_a_value() -> None:
    with pytest.raises(UndefinedError, match="'labels' is undefined"):
        render_yaml("kubernetes/service.yaml.j2", name="delays", namespace="models")


@pytest.mark.parametrize("port", ["65536", "http", "-1", "6379]"])
@pytest.mark.parametrize(
    ("setting", "serve"),
    [
        ("serve.cache", {contract.CACHE: "redis://:secret@cache:PORT/0"}),
        ("AWS_ENDPOINT_URL", {contract.UPLOADED: "s3://bucket"}),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", {}),
    ],
)
def test_an_address_whose_port_is_none_names_its_setting_and_not_its_password(
    monkeypatch: pytest.MonkeyPatch, setting: str, serve: dict[str, str], port: str
) -> None:
    monkeypatch.setenv(setting, f"http://me:secret@[::1]:{port}")
    serve = {name: value.replace("PORT", port) for name, value in serve.items()}
    config = KubernetesConfig(image="delays:1")
    wanted = Spec("delays", DIGEST, "delays:1", config, serve, secrets=(setting,))
    with pytest.raises(UsageError, match=f"{setting} is no address with a port") as refused:
        manifests(wanted)
    assert "secret" not in refused.value.message


def test_the_ports_of_what_the_server_calls_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://traces")
    config = KubernetesConfig(image="delays:1")
    secrets = ("AWS_ENDPOINT_URL", "OTEL_EXPORTER_OTLP_ENDPOINT")
    serve = {contract.CACHE: "redis://cache", contract.UPLOADED: "s3://bucket"}
    found = objects(Spec("delays", DIGEST, "delays:1", config, serve, secrets=secrets))
    policy = yaml.safe_dump(found["NetworkPolicy", "delays"]["spec"]["egress"])
    assert {int(p) for p in re.findall(r"port: (\d+)", policy)} >= {9000, 6379, 443}
