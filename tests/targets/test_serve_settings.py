"""The section `serve` reaches the server on every target."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import yaml

from mlops_cli.config.load import load_project
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.serving.settings import Limits, Seconds, Settings, Size
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker.container import Spec as Container
from mlops_cli.targets.kubernetes.manifests import Spec, objects
from mlops_cli.targets.local.target import LocalTarget

SECTION = "serve: {limits: {in_flight: 64, timeout: 1s, header: 16KiB}}\n"
VARIABLES = {
    "MLOPS_SERVE_LIMITS__IN_FLIGHT": "64",
    "MLOPS_SERVE_LIMITS__TIMEOUT": "1s",
    "MLOPS_SERVE_LIMITS__HEADER": "16384B",
}
REST = "project: p\ntask: binary\ndata: {table: t.csv, target: y}\n"


def _section(folder: Path, text: str):
    (folder / "mlops.yaml").write_text(REST + text)
    return load_project(folder).config.serve


def test_the_section_is_what_a_server_reads(tmp_path: Path) -> None:
    found = _section(tmp_path, SECTION)
    limits = Limits(in_flight=64, timeout=Seconds(1), header=Size(16384))
    assert found.settings() == Settings(limits)
    assert found.environment() == VARIABLES
    assert _section(tmp_path, "").settings() == Settings()
    assert _section(tmp_path, "").environment() == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("serve: {limits: {in_flight: 0}}", "serve.limits.in_flight"),
        ("serve: {limits: {timeout: 0s}}", "serve.limits.timeout"),
        ("serve: {limits: {timeout: 30}}", "serve.limits.timeout"),
        ("serve: {limits: {header: 64}}", "serve.limits.header"),
        ("serve: {limits: {header: 0KiB}}", "serve.limits.header"),
        ("serve: {limits: {colour: red}}", "serve.limits.colour"),
        ("serve: {workers: 0}", "serve.workers"),
    ],
)
def test_what_no_server_could_read_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        _section(tmp_path, text)
    assert says in refused.value.message


def test_no_stage_depends_on_it_so_a_variable_or_an_overlay_may_set_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOST", "65")
    assert _section(tmp_path, "serve: {limits: {in_flight: '${MOST}'}}").limits.in_flight == 65
    (tmp_path / "mlops.prod.yaml").write_text(SECTION)
    assert load_project(tmp_path, env="prod").config.serve.limits.in_flight == 64


def test_a_container_has_the_variables(first: Release, tmp_path: Path) -> None:
    spec = Container("p", "127.0.0.1", 8000, DockerConfig(), VARIABLES)
    assert spec.options(first, cpus=2)["environment"] == VARIABLES
    plain = Container("p", "127.0.0.1", 8000, DockerConfig())
    assert plain.settings() != spec.settings()  # a change of them is a change of the deployment
    compose = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())
    assert compose["services"]["server"]["environment"] == VARIABLES
    compose = yaml.safe_load(plain.write_compose(first, tmp_path).read_text())
    assert "environment" not in compose["services"]["server"]


def test_a_pod_has_the_variables(first: Release) -> None:
    config = KubernetesConfig(image="p:1")
    spec = Spec("p", first.digest, "p:1", config, VARIABLES)
    pod = objects(spec)["Deployment", "p"]["spec"]["template"]["spec"]
    found = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    assert found == {"MLOPS_DIGEST": first.digest, **VARIABLES}


def test_a_local_server_obeys_them_and_a_change_is_a_change(
    target: LocalTarget, project: Path, first: Release, tmp_path: Path
) -> None:
    port = int(target.deploy(whole(first), progress=QUIET).url.rsplit(":", 1)[1])
    assert target.plan(whole(first)) == []
    folder = project / ".mlops/local"
    limited = LocalTarget(folder, host="127.0.0.1", port=port, settings=VARIABLES)
    (change,) = limited.plan(whole(first))
    assert "with other settings" in change.detail
    limited.deploy(whole(first), progress=QUIET)
    assert limited.plan(whole(first)) == []
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(b"POST /v1/predict HTTP/1.1\r\n")
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert "within 1 s" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]
    (unit,) = limited.render(whole(first), tmp_path)
    assert 'Environment="MLOPS_SERVE_LIMITS__IN_FLIGHT=64"' in unit.read_text().splitlines()
