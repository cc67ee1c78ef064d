"""The control secret: another one with each deploy, on the target alone, and good for versions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
import yaml

from clusters import kubectl, small
from engine import docker
from mlops_cli._poll import wait_until
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.progress import QUIET
from mlops_cli.serving.contract import CONTROL, CONTROL_FILE
from mlops_cli.targets.base import Controlled, Release, Target, whole
from mlops_cli.targets.docker.container import Spec
from mlops_cli.targets.docker.target import DockerTarget
from mlops_cli.targets.kubernetes.manifests import Spec as PodSpec
from mlops_cli.targets.kubernetes.manifests import objects
from mlops_cli.targets.kubernetes.target import KubernetesTarget
from mlops_cli.targets.local.target import CONTROL_IN, LocalTarget

PROJECT = "control-delays"
VARIABLES = {CONTROL_FILE: CONTROL}
SOON = 20


class Place(Target, Controlled, Protocol):
    """A target with a control secret."""


def status(url: str, secret: str | None, method: str = "DELETE") -> int:
    """What a question for a version that is not there gets: 404 at once, or by its handler."""
    where = urlsplit(url)
    head = {"authorization": f"Bearer {secret}"} if secret else {}
    with closing(HTTPConnection(where.hostname or "", where.port or 80, timeout=10)) as connection:
        connection.request(method, "/v1/admin/models/0123456789ab", headers=head)
        answer = connection.getresponse()
        said = json.loads(answer.read())["error"]["message"]
    return answer.status if "there is no version" not in said else 200


def obeys(target: Place, release: Release, renewed: Callable[[], object]) -> list[str]:
    """What every target does; returns the secrets, of which the last is in force."""
    assert target.control_secret() is None
    url = target.deploy(whole(release), progress=QUIET).url
    first = target.control_secret()
    assert first is not None
    assert len(first) == 43
    assert wait_until(lambda: status(url, first) == 200, seconds=SOON, step=0.1)
    assert [status(url, wrong) for wrong in (None, "x" * 43, first[:-1])] == [404] * 3
    assert target.plan(whole(release)) == []
    renewed()
    second = target.control_secret()
    assert second not in (None, first)
    assert wait_until(lambda: status(url, second) == 200, seconds=SOON, step=0.1)
    assert wait_until(lambda: status(url, first) == 404, seconds=SOON, step=0.1)
    return [first, str(second)]


def test_of_a_local_server_it_is_a_file_for_its_owner_alone(
    first: Release, tmp_path: Path, free_port: int
) -> None:
    folder = tmp_path / "p/.mlops/local"
    shutil.copytree(first.bundle.path, tmp_path / "p/model")
    target = LocalTarget(
        folder, host="127.0.0.1", port=free_port, settings={CONTROL_FILE: CONTROL_IN}
    )
    try:
        told = obeys(target, first, lambda: target.deploy(whole(first), progress=QUIET))
        assert (folder / CONTROL_IN).stat().st_mode & 0o777 == 0o600
        rendered = target.render(whole(first), tmp_path)
        for file in [*folder.iterdir(), *rendered]:
            if file.is_file() and file.name != CONTROL_IN:
                text = file.read_text(errors="replace")
                assert not [x for x in told if x in text], file
        assert CONTROL_FILE not in "".join(file.read_text() for file in rendered)
    finally:
        target.stop()
    assert target.control_secret() is None


def keeps_an_anchor(target: DockerTarget | KubernetesTarget, release: Release) -> None:
    """The id of an entry of the audit log, beside what is deployed, which is not changed by it."""
    since, before = target.status(), target.anchor()
    for entry in ("a" * 64, "b" * 64):
        target.keep_anchor(entry)
        assert target.anchor() == entry
    assert (before, target.plan(whole(release)), target.status()) == (None, [], since)


@pytest.mark.docker
def test_of_a_container_it_stands_on_a_volume_that_goes_with_it(
    first: Release, tmp_path: Path, free_port: int, docker_engine: str
) -> None:
    spec = Spec(PROJECT, "127.0.0.1", free_port, DockerConfig(), VARIABLES)
    target = DockerTarget(spec, folder=tmp_path / ".mlops/docker")
    target.stop()
    try:
        told = obeys(target, first, lambda: target.deploy(whole(first), progress=QUIET))
        keeps_an_anchor(target, first)
        seen = docker("inspect", f"mlops-{PROJECT}", first.image.name)
        seen += docker("logs", f"mlops-{PROJECT}")
        assert not [x for x in told if x in seen]
        (found,) = json.loads(docker("inspect", f"mlops-{PROJECT}"))
        (volume,) = (mount["Name"] for mount in found["Mounts"])
    finally:
        target.stop()
    assert (target.control_secret(), target.anchor()) == (None, None)
    assert volume not in docker("volume", "ls", "--quiet").split()


def test_who_runs_compose_or_a_pod_gets_no_secret_of_ours(first: Release, tmp_path: Path) -> None:
    spec = Spec(PROJECT, "127.0.0.1", 8000, DockerConfig(), VARIABLES)
    (server,) = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())["services"].values()
    assert "environment" not in server
    made = objects(PodSpec("p", first.digest, "p:1", KubernetesConfig(image="p:1"), VARIABLES))
    pod = made["Deployment", "p"]["spec"]["template"]["spec"]
    (volume,) = (v for v in pod["volumes"] if v["name"] == "control")
    assert volume["secret"] == {"secretName": "p-control", "optional": True, "defaultMode": 0o444}
    assert not [key for key in made if key[0] == "Secret"]


@pytest.mark.kubernetes
def test_on_a_cluster_it_is_a_secret_that_every_pod_hears_of(
    namespace: str, first: Release
) -> None:
    target = KubernetesTarget(PROJECT, small(namespace, 1), VARIABLES)
    told = obeys(target, first, lambda: target.deploy(whole(first), progress=QUIET))
    keeps_an_anchor(target, first)
    seen = kubectl("get", "deployments,configmaps,pods", "-o", "yaml", namespace=namespace)
    assert not [x for x in told if x in seen]
    assert target.stop()
    assert (target.control_secret(), target.anchor()) == (None, None)
