"""Secrets reach a server by name: those that `deploy.secrets` lists, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlops_cli._poll import wait_until
from mlops_cli.config.sections.deploy import DeployConfig, DockerConfig
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.config.sections.serve import GrpcConfig, ServeConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker.container import Spec as Container
from mlops_cli.targets.kubernetes.manifests import Spec, objects
from mlops_cli.targets.local.target import LocalTarget
from mlops_cli.targets.secrets import handed_over


def test_one_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "value")
    monkeypatch.delenv("UNSET", raising=False)
    assert handed_over(["SET"]) == {"SET": "value"}
    with pytest.raises(UsageError, match="names UNSET, which the environment does not set"):
        handed_over(["SET", "UNSET"])
    with pytest.raises(ValueError, match="secrets"):
        DeployConfig.model_validate({"secrets": ["lower case"]})


def test_a_local_server_has_it_and_its_file_is_for_its_owner_alone(
    project: Path, free_port: int, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "s3cret")
    monkeypatch.setenv("PLANTED_OTHER", "not asked for")
    folder = project / ".mlops/local"
    target = LocalTarget(folder, host="127.0.0.1", port=free_port, secrets=["PLANTED_SECRET"])
    target.deploy(whole(first), progress=QUIET)
    try:
        variables = _environments(folder)
        assert any(b"PLANTED_SECRET=s3cret" in found for found in variables)
        assert not any(b"not asked for" in found for found in variables)
        assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
        assert "s3cret" not in (folder / "state.json").read_text()
        plain = LocalTarget(folder, host="127.0.0.1", port=free_port)
        plain.deploy(whole(first), progress=QUIET)
        assert not (folder / "secrets.json").exists()
        assert wait_until(
            lambda: not any(b"s3cret" in found for found in _environments(folder)), seconds=60
        )
    finally:
        target.stop()


def _environments(folder: Path) -> list[bytes]:
    """The environments of the processes that stand in the folder."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and process.joinpath("cwd").readlink() == folder.resolve():
                found.append((process / "environ").read_bytes())
        except OSError:
            continue
    return found


def test_a_container_has_it_and_no_label_or_file_does(
    first: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "s3cret")
    spec = Container(
        "p", "127.0.0.1", 8000, DockerConfig(), {"A": "b"}, secrets=("PLANTED_SECRET",)
    )
    options = spec.options(first, cpus=2)
    assert options["environment"] == {"A": "b", "PLANTED_SECRET": "s3cret"}
    assert "s3cret" not in str(options["labels"])
    text = spec.write_compose(first, tmp_path).read_text()
    assert "s3cret" not in text
    server = yaml.safe_load(text)["services"]["server"]
    assert server["environment"] == {"A": "b", "PLANTED_SECRET": None}


def test_a_pod_takes_it_from_a_secret_of_the_user_s(first: Release) -> None:
    config = KubernetesConfig(image="p:1")
    spec = Spec("p", first.digest, "p:1", config, secrets=("PLANTED_SECRET",))
    pod = objects(spec)["Deployment", "p"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["env"][-1] == {
        "name": "PLANTED_SECRET",
        "valueFrom": {"secretKeyRef": {"name": "p-secrets", "key": "PLANTED_SECRET"}},
    }


def test_a_pod_may_call_what_its_settings_name_and_nothing_else(
    first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = KubernetesConfig(image="p:1")

    def egress(serve: dict[str, str], *secrets: str) -> list[int]:
        spec = Spec("p", first.digest, "p:1", config, serve, secrets=secrets)
        policy = objects(spec)["NetworkPolicy", "p"]["spec"]
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        return [p["port"] for rule in policy.get("egress", []) for p in rule["ports"]]

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    assert egress({"MLOPS_SERVE_LOG__DIR": "/log"}) == []
    assert egress({"MLOPS_SERVE_LOG__TO": "s3://bucket"}) == [53, 53, 443]
    assert egress({"MLOPS_SERVE_LOG__TO": "s3://bucket"}, "AWS_ENDPOINT_URL") == [53, 53, 9000]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    assert egress({"MLOPS_SERVE_CACHE": "memory:10"}) == []
    cache = {"MLOPS_SERVE_CACHE": "redis://:${PASSWORD}@cache/0"}
    assert egress(cache, "OTEL_EXPORTER_OTLP_ENDPOINT") == [53, 53, 6379, 4318]


def test_the_log_has_a_volume_in_a_container_and_in_a_pod(first: Release, tmp_path: Path) -> None:
    serve = {"MLOPS_SERVE_LOG__DIR": "/log"}
    spec = Container("p", "127.0.0.1", 8000, DockerConfig(), serve)
    assert spec.options(first, cpus=2)["volumes"] == {"mlops-p-log": {"bind": "/log", "mode": "rw"}}
    compose = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())
    assert compose["services"]["server"]["volumes"] == ["mlops-p-log:/log"]
    assert compose["volumes"] == {"mlops-p-log": {"name": "mlops-p-log"}}
    config = KubernetesConfig(image="p:1")
    for variables, mounts in ((serve, {"tmp": "/tmp", "log": "/log"}), ({}, {"tmp": "/tmp"})):
        made = objects(Spec("p", first.digest, "p:1", config, variables))["Deployment", "p"]
        pod = made["spec"]["template"]["spec"]
        found = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
        assert found == mounts
        assert {volume["name"] for volume in pod["volumes"]} == set(mounts)


def test_the_port_of_grpc_is_opened_everywhere(first: Release, tmp_path: Path) -> None:
    serve = ServeConfig(grpc=GrpcConfig(port=9001)).environment()
    spec = Container("p", "127.0.0.1", 8080, DockerConfig(), serve)
    assert spec.ports(("127.0.0.1", 8080)) == {
        "8000/tcp": ("127.0.0.1", 8080),
        "9001/tcp": ("127.0.0.1", 9001),
    }
    assert spec.ports(("127.0.0.1", None))["9001/tcp"] == ("127.0.0.1", None)
    compose = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())
    published = compose["services"]["server"]["ports"]
    assert published == ["127.0.0.1:8080:8000", "127.0.0.1:9001:9001"]
    made = objects(Spec("p", first.digest, "p:1", KubernetesConfig(image="p:1"), serve))
    container = made["Deployment", "p"]["spec"]["template"]["spec"]["containers"][0]
    assert [p["containerPort"] for p in container["ports"]] == [8000, 9001]
    service = made["Service", "p"]["spec"]["ports"]
    assert service[1] == {"name": "grpc", "protocol": "TCP", "port": 9001, "targetPort": "grpc"}
    inward = made["NetworkPolicy", "p"]["spec"]["ingress"][0]["ports"]
    assert [p["port"] for p in inward] == ["http", "grpc"]


def test_keys_and_log_stand_side_by_side_in_a_compose_file(first: Release, tmp_path: Path) -> None:
    serve = {"MLOPS_SERVE_LOG__DIR": "/log"}
    keys = tmp_path / "secrets/keys"
    spec = Container("p", "127.0.0.1", 8000, DockerConfig(), serve, keys=keys)
    compose = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())
    log, mounted = compose["services"]["server"]["volumes"]
    assert log == "mlops-p-log:/log"
    assert mounted["source"] == str(keys.parent)
