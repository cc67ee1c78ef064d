"""A deployment that answers https, and where a certificate cannot go."""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from certificates import self_signed, trusting
from mlops_cli.config.load import load_project
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.errors import UsageError
from mlops_cli.progress import QUIET
from mlops_cli.serving.contract import TLS_CERT, TLS_KEY
from mlops_cli.targets.base import Release, Target, whole
from mlops_cli.targets.docker.container import Spec
from mlops_cli.targets.docker.target import DockerTarget
from mlops_cli.targets.exposure import exposed
from mlops_cli.targets.kubernetes.target import KubernetesTarget
from mlops_cli.targets.local.target import LocalTarget, open_target

REST = "project: p\ntask: binary\ndata: {table: t.csv, target: y}\n"
SECTION = "serve: {tls: {cert: tls/cert.pem, key: tls/key.pem}}\n"


def encrypted(project: Path, port: int) -> LocalTarget:
    (project / "mlops.yaml").write_text(REST + SECTION)
    return open_target(load_project(project), port=port)


def test_it_answers_https_and_a_broken_pair_replaces_nothing(
    project: Path, free_port: int, first: Release, second: Release
) -> None:
    cert, key = self_signed(project / "tls")
    target = encrypted(project, free_port)
    try:
        found = target.deploy(whole(first), progress=QUIET)
        assert found.url == f"https://127.0.0.1:{free_port}"
        assert found.healthy
        assert target.plan(whole(first)) == []
        assert digest(found.url, cert) == first.digest
        whole_key = key.read_bytes()
        key.write_text("no key")
        with pytest.raises(UsageError, match="are no pair"):
            target.deploy(whole(second), progress=QUIET)
        assert digest(found.url, cert) == first.digest
        key.write_bytes(whole_key)
        assert target.deploy(whole(second), progress=QUIET).digest == second.digest
    finally:
        target.stop()


def digest(url: str, cert: Path) -> str:
    """What the server is ready with, asked as a client that knows the certificate."""
    where = urlsplit(url).netloc
    client = http.client.HTTPSConnection(where, timeout=20, context=trusting(cert))
    with contextlib.closing(client):
        client.request("GET", "/readyz")
        return str(client.getresponse().read().decode().split('"digest":"')[1].partition('"')[0])


def test_what_is_deployed_changes_from_http_to_https(
    target: LocalTarget, project: Path, free_port: int, first: Release
) -> None:
    plain = target.deploy(whole(first), progress=QUIET)
    cert, _ = self_signed(project / "tls")
    own = encrypted(project, free_port)
    (change,) = own.plan(whole(first))
    assert f"at https://127.0.0.1:{free_port}, in place of" in change.detail
    assert plain.url in change.detail
    assert digest(own.deploy(whole(first), progress=QUIET).url, cert) == first.digest


def test_a_unit_names_the_files_by_their_whole_paths(
    project: Path, free_port: int, first: Release, tmp_path: Path
) -> None:
    (unit,) = encrypted(project, free_port).render(whole(first), tmp_path)
    text = unit.read_text()
    assert f'Environment="{TLS_CERT}={project}/tls/cert.pem"' in text
    assert f'Environment="{TLS_KEY}={project}/tls/key.pem"' in text


@pytest.mark.parametrize("name", ["docker", "kubernetes"])
def test_a_container_s_server_gets_no_certificate(
    name: str, first: Release, tmp_path: Path
) -> None:
    serve, out = {TLS_CERT: "a", TLS_KEY: "b"}, tmp_path / "out"
    place: Target = KubernetesTarget("p", KubernetesConfig(image="p:1"), serve)
    if name == "docker":
        spec = Spec("p", "127.0.0.1", 8000, DockerConfig(), serve)
        place = DockerTarget(spec, folder=out)
    for attempt in (
        lambda: place.deploy(whole(first), progress=QUIET),
        lambda: place.plan(whole(first)),
        lambda: place.render(whole(first), out),
    ):
        with pytest.raises(UsageError) as refused:
            attempt()
        assert "serve.tls" in refused.value.message
        assert "ingress" in (refused.value.hint or "")
    assert not out.exists()


@pytest.mark.parametrize(
    ("section", "lacks"),
    [
        ("", "keys (serve.keys) and without TLS (serve.tls, unless an ingress or"),
        ("serve: {keys: secrets/keys}\n", "without TLS"),
        (SECTION, "on 0.0.0.0 without keys (serve.keys)"),
        (SECTION.replace("{tls", "{keys: secrets/keys, tls"), None),
    ],
)
def test_a_port_that_is_open_to_others_is_told_what_it_lacks(
    tmp_path: Path, section: str, lacks: str | None
) -> None:
    (tmp_path / "mlops.yaml").write_text(REST + "deploy: {host: 0.0.0.0}\n" + section)
    found = exposed(load_project(tmp_path), "local")
    assert found is None if lacks is None else lacks in str(found)


def test_an_overlay_takes_it_out_for_a_target_behind_an_ingress(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(REST + SECTION)
    (tmp_path / "mlops.prod.yaml").write_text("serve: {tls: null}\n")
    assert load_project(tmp_path).tls == (tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")
    assert load_project(tmp_path, env="prod").tls is None
