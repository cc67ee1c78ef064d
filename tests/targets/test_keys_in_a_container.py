"""API keys reach a container: in a volume of its own, changed while it runs, gone with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from engine import docker
from mlops_cli._files import write_secret
from mlops_cli._poll import wait_until
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.progress import QUIET
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from mlops_cli.serving.contract import KEYS
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker.container import Spec
from mlops_cli.targets.docker.target import DockerTarget

PROJECT = "keys-delays"
VARIABLES = {"MLOPS_SERVE_KEYS": KEYS}


def content(*keys: str) -> bytes:
    """A file with these keys, each good for predictions."""
    now = datetime.now(UTC)
    return format_keys(Key(k, digest_of_key(k.encode()), ("predict",), now) for k in keys)


def status(url: str, key: str) -> int:
    """What an event that is none gets: 422 with a good key."""
    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=10)
    connection.request("POST", "/v1/predict", b"{}", {"authorization": f"Bearer {key}"})
    found = connection.getresponse().status
    connection.close()
    return found


@pytest.fixture
def spec(tmp_path: Path, free_port: int) -> Spec:
    """A container whose server asks for keys."""
    keys = tmp_path / "secrets/keys"
    return Spec(PROJECT, "127.0.0.1", free_port, DockerConfig(), VARIABLES, keys=keys)


def test_compose_mounts_the_folder_and_never_the_file(
    spec: Spec, first: Release, tmp_path: Path
) -> None:
    written = yaml.safe_load(spec.write_compose(first, tmp_path).read_text())
    (mount,) = written["services"]["server"]["volumes"]
    assert mount["source"] == str(tmp_path / "secrets")
    assert mount["target"] == "/run/mlops/keys"
    assert mount["read_only"] is True


@pytest.mark.docker
def test_a_running_container_takes_a_key_and_forgets_it(
    spec: Spec, first: Release, tmp_path: Path, docker_engine: str
) -> None:
    assert spec.keys is not None
    write_secret(spec.keys, content("a" * 43))
    target = DockerTarget(spec, folder=tmp_path / ".mlops/docker")
    target.stop()
    try:
        url = target.deploy(whole(first), progress=QUIET).url
        assert status(url, "a" * 43) == 422
        assert status(url, "b" * 43) == 401
        (before,) = json.loads(docker("inspect", f"mlops-{PROJECT}"))
        target.keep_keys(content("a" * 43, "b" * 43))
        assert wait_until(lambda: status(url, "b" * 43) == 422, seconds=20, step=0.1)
        target.keep_keys(content("b" * 43))
        assert wait_until(lambda: status(url, "a" * 43) == 401, seconds=20, step=0.1)
        assert status(url, "b" * 43) == 422
        assert target.plan(whole(first)) == []
        (after,) = json.loads(docker("inspect", f"mlops-{PROJECT}"))
        assert after["State"]["StartedAt"] == before["State"]["StartedAt"]
        (volume,) = (m["Name"] for m in after["Mounts"] if m["Type"] == "volume")
    finally:
        target.stop()
    assert volume not in docker("volume", "ls", "--quiet").split()
