"""An image that is pushed: to a registry with a login, and to one that does not answer."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import docker, image, inspected
from mlops_cli.bundle.reader import Bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.progress import QUIET
from servers import ImageRegistry

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("docker_engine")]
PASSWORD = "only-for-these-tests"
BCRYPT = (
    "$2b$05$WTGhk103upZSb2gDztXhHe1WrwWxroEQWMUNfP.epAAWiqTzuh6Ui"  # what htpasswd -B makes of it
)


def test_a_registry_that_does_not_answer_is_named(bundle: Bundle) -> None:
    with pytest.raises(EnvironmentFault, match=r"127\.0\.0\.1:9/team/delays.*cannot be pushed"):
        image(bundle).push("127.0.0.1:9/team", progress=QUIET)
    assert "127.0.0.1:9/team" not in docker("image", "ls")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    if shutil.which("docker-registry") is None:
        pytest.skip("no docker-registry is installed")
    server = ImageRegistry(tmp_path, f"me:{BCRYPT}")
    try:
        yield server.wait().name
    finally:
        server.stop()


def test_what_is_pushed_with_a_login_is_the_same_image_elsewhere(
    bundle: Bundle, registry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = image(bundle).build(progress=QUIET)
    with pytest.raises(EnvironmentFault, match=r"cannot be pushed: .*auth") as refused:
        image(bundle).push(f"{registry}/team", progress=QUIET)
    assert refused.value.hint == f"docker login {registry}"
    assert f"{registry}/team" not in docker("image", "ls")
    login = {"auth": base64.b64encode(f"me:{PASSWORD}".encode()).decode()}
    (tmp_path / "config.json").write_text(json.dumps({"auths": {registry: login}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    pushed = image(bundle).push(f"{registry}/team", progress=QUIET)
    try:
        assert pushed.startswith(f"{registry}/team/delays:{bundle.version}")
        built = inspected(name)["Id"]
        docker("image", "rm", pushed)
        docker("pull", "--quiet", pushed)
        assert inspected(pushed)["Id"] == built
    finally:
        docker("image", "rm", "--force", pushed)
