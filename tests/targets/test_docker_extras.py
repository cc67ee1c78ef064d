"""A container with more than its bundle: storage for its log, gRPC, signatures, Redis, spans."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

import signers
from collector import Collector
from engine import docker, inspected
from mlops_cli._poll import wait_until
from mlops_cli.config.load import load_project
from mlops_cli.packaging.image import image_of, project_image
from mlops_cli.packaging.signing import sign_bundle
from mlops_cli.progress import QUIET
from mlops_cli.serving.contract import TRUST
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker.target import DockerTarget, open_target
from mlops_cli.testing.target import get, predict
from redis_server import Redis
from servers import free_port

grpc = pytest.importorskip("grpc", reason="the extra grpc is not installed: nox -s extras")
MOTO = shutil.which("moto_server")
pytestmark = [
    pytest.mark.docker,
    pytest.mark.extras,
    pytest.mark.redis,
    pytest.mark.skipif(not MOTO, reason="moto's server is not on PATH: moto[server,s3]"),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not on PATH"),
    pytest.mark.usefixtures("docker_engine"),
]
NAME = f"extras-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
KEY = signers.new()
SECTIONS = """
project: {name}
task: binary
data: {{table: t.csv, target: y}}
deploy:
  port: {port}
  secrets: [AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
            REDIS_PASSWORD, OTEL_EXPORTER_OTLP_ENDPOINT]
serve:
  trust: trust.pem
  cache: "redis://:${{REDIS_PASSWORD}}@{redis}/0"
  grpc: {{port: {grpc}}}
  log: {{to: "s3://predictions/here", rotate: {{every: 1s}}}}
"""


@pytest.fixture
def gateway() -> str:
    """The address at which a container reaches this machine."""
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    return str(next(ip_network(subnet.strip()).hosts()))


@pytest.fixture
def storage(gateway: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """moto's server; its URL."""
    url = f"http://{gateway}:{free_port()}"
    command = [str(MOTO), "-H", gateway, "-p", url.rpartition(":")[2]]
    moto = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: _made(f"{url}/predictions"), seconds=60)
        for name, value in (
            ("AWS_ENDPOINT_URL", url),
            ("AWS_ACCESS_KEY_ID", "planted-access"),
            ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
            ("AWS_REGION", "us-east-1"),
        ):
            monkeypatch.setenv(name, value)
        yield url
    finally:
        moto.send_signal(signal.SIGKILL)
        moto.wait()


@pytest.fixture
def redis(gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    """Redis with a password."""
    monkeypatch.setenv("REDIS_PASSWORD", "planted/redis@password")
    redis = Redis(tmp_path, "--requirepass", "planted/redis@password", host=gateway).start()
    yield redis
    redis.stop()


@pytest.fixture
def collector(gateway: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Takes spans."""
    found = Collector(gateway)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.url)
    yield found
    found.shutdown()
    found.server_close()


def _made(bucket: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(bucket, method="PUT"), timeout=10).close()
    except OSError:
        return False
    return True


def _keys(url: str) -> str:
    with urllib.request.urlopen(f"{url}/predictions?list-type=2", timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture
def target(
    project: Path, storage: str, redis: Redis, collector: Collector
) -> Iterator[DockerTarget]:
    (project / "trust.pem").write_text(signers.public(KEY))
    place = f"{redis.host}:{redis.port}"
    text = SECTIONS.format(name=NAME, port=free_port(), grpc=free_port(), redis=place)
    (project / "mlops.yaml").write_text(text)
    target = open_target(load_project(project))
    target.stop()
    yield target
    target.stop()
    docker("volume", "rm", "--force", f"mlops-{NAME}-log")


def _release(project: Path, first: Release) -> Release:
    return Release(first.bundle, project_image(load_project(project), first.bundle))


def test_log_grpc_signature_cache_and_spans_work_in_a_container(
    target: DockerTarget,
    project: Path,
    first: Release,
    storage: str,
    redis: Redis,
    collector: Collector,
) -> None:
    config = load_project(project).config
    with pytest.raises(Exception, match="bears no signature"):
        target.deploy(whole(_release(project, first)), progress=QUIET)
    sign_bundle(project, first.bundle, KEY)
    release = _release(project, first)
    found = target.deploy(whole(release), progress=QUIET)
    assert release.image.name.partition(":")[2].startswith(f"{first.version}-")
    with grpc.insecure_channel(f"127.0.0.1:{config.serve.grpc.port}") as channel:
        live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
        assert live(b"", timeout=20) == b"\x08\x01"
    predict(found.url, first)
    assert wait_until(lambda: "here/" in _keys(storage), seconds=30)
    assert wait_until(lambda: redis.rows() == 1, seconds=30)
    spans = collector.spans
    assert wait_until(lambda: "POST /v1/predict" in {span.name for span in spans}, seconds=30)
    assert target.plan(whole(release)) == []
    # The same port again: the old one is ended first, and gRPC's port with it.
    docker("kill", f"mlops-{NAME}")
    assert target.deploy(whole(release), progress=QUIET).healthy
    assert get(found.url)[1]["digest"] == first.digest
    (project / "trust.pem").write_text(signers.public(signers.new()))
    strict = open_target(load_project(project))
    with pytest.raises(Exception, match="none of the 1 trusted keys"):
        strict.deploy(whole(release), progress=QUIET)
    assert get(found.url)[1]["digest"] == first.digest, "what answered before answers still"


def test_what_is_asked_for_is_a_layer_of_its_own(
    target: DockerTarget, project: Path, first: Release
) -> None:
    plain = image_of(first.bundle, base="python:{python}-slim", root=project)
    one = inspected(plain.build(progress=QUIET))["RootFS"]["Layers"]
    serve = {TRUST: "keys"}
    more = image_of(first.bundle, base=plain.base, root=project, serve=serve)
    other = inspected(more.build(progress=QUIET))["RootFS"]["Layers"]
    (added,) = set(other) - set(one)
    assert [layer for layer in other if layer != added] == one
    bill = more.sbom(progress=QUIET).decode()
    assert "pkg:pypi/cryptography@" in bill
    assert '"name":"python:3.11-slim"' in bill
    assert "pkg:pypi/cryptography@" not in plain.sbom(progress=QUIET).decode()
