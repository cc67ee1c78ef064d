"""The docker target on a real engine: the contract of the port, replacements, limits, refusals."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from engine import docker
from mlops_cli.config.sections.deploy import DockerConfig
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging import image as packaged
from mlops_cli.progress import QUIET
from mlops_cli.serving import contract
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.docker import rollout
from mlops_cli.targets.docker.container import Spec
from mlops_cli.targets.docker.target import DockerTarget
from mlops_cli.testing.target import (
    LogConformance,
    RolloutConformance,
    TargetConformance,
    get,
    predict,
)

pytestmark = pytest.mark.docker
PROJECT = f"conformance-delays-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(autouse=True)
def _engine(docker_engine: str) -> None:
    """Skipped where no engine is."""


def made(project: Path, port: int, *, log: bool = False, **docker: object) -> DockerTarget:
    serve = {contract.LOG_DIR: contract.LOG} if log else {}
    spec = Spec(PROJECT, "127.0.0.1", port, DockerConfig.model_validate(docker), serve)
    return DockerTarget(spec, folder=project / ".mlops/docker")


@pytest.fixture
def target(project: Path, free_port: int) -> Iterator[DockerTarget]:
    docker = made(project, free_port)
    docker.stop()
    yield docker
    docker.stop()


class TestDockerRollout(RolloutConformance):
    """The rollout's, on a volume that goes with the container."""

    @pytest.fixture
    def target(self, project: Path, free_port: int) -> Iterator[DockerTarget]:
        serve = {contract.CONTROL_FILE: contract.CONTROL, contract.ROLLOUT: rollout.FILE}
        spec = Spec(PROJECT, "127.0.0.1", free_port, DockerConfig(), serve)
        target = DockerTarget(spec, folder=project / ".mlops/docker")
        target.stop()
        yield target
        target.stop()
        assert docker("volume", "ls", "-q", "--filter", f"name=mlops-{PROJECT}-rollout") == ""


def containers() -> list[str]:
    return docker("ps", "-a", "--filter", f"name=mlops-{PROJECT}", "--format", "{{.Names}}").split()


class TestDockerTarget(TargetConformance):
    """The port's contract."""


class TestDockerLog(LogConformance):
    """The log's: it stands on a volume, which is left when the container is ended."""

    @pytest.fixture
    def target(self, project: Path, free_port: int) -> Iterator[DockerTarget]:
        target = made(project, free_port, log=True)
        target.stop()
        yield target
        target.stop()
        docker("volume", "rm", "--force", f"mlops-{PROJECT}-log")

    def test_it_outlives_the_container(self, target: DockerTarget, first: Release) -> None:
        asked = predict(target.deploy(whole(first), progress=QUIET).url, first)
        time.sleep(1)  # it is on disk, and what is killed now closes nothing
        docker("rm", "--force", f"mlops-{PROJECT}")
        target.deploy(whole(first), progress=QUIET)
        found: list[str] = []
        target.collect(lambda files: found.extend(file.read_text() for file in files))
        assert [json.loads(text)["request_id"] for text in found] == [asked]


def test_the_container_has_limits_and_no_rights(target: DockerTarget, first: Release) -> None:
    target.deploy(whole(first), progress=QUIET)
    (found,) = json.loads(docker("inspect", f"mlops-{PROJECT}"))
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert not host["Privileged"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] == 1 << 30
    assert 0 < host["NanoCpus"] <= 2e9
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["PortBindings"]["8000/tcp"][0]["HostIp"] == "127.0.0.1"
    assert int(found["Config"]["User"].partition(":")[0]) > 0
    assert found["Config"]["Labels"]["dev.mlops-cli.digest"] == first.digest
    writing = docker("exec", f"mlops-{PROJECT}", "python", "-c", "open('/tmp/x', 'w').write('y')")
    assert writing == ""
    with pytest.raises(subprocess.CalledProcessError):
        docker("exec", f"mlops-{PROJECT}", "python", "-c", "open('/opt/x', 'w')")


def test_a_server_that_dies_comes_back_by_itself(target: DockerTarget, first: Release) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    (found,) = json.loads(docker("inspect", f"mlops-{PROJECT}"))
    subprocess.run(["kill", "-9", str(found["State"]["Pid"])], check=True)
    end = time.monotonic() + 120
    while not ((now := target.status()) and now.healthy):
        assert time.monotonic() < end, "it did not come back"
        time.sleep(0.1)
    assert get(url)[1]["digest"] == first.digest


def test_a_port_in_use_is_named_and_changes_nothing(
    target: DockerTarget, project: Path, first: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match="port is in use") as refused:
            made(project, port).deploy(whole(first), progress=QUIET)
    assert "--port" in (refused.value.hint or "")
    assert get(url)[1]["digest"] == first.digest
    assert containers() == [f"mlops-{PROJECT}"]


def test_another_port_and_other_limits_are_changes(
    target: DockerTarget, project: Path, first: Release, another_port: int
) -> None:
    target.deploy(whole(first), progress=QUIET)
    other = made(project, another_port, memory="512m", restart="on-failure")
    (change,) = other.plan(whole(first))
    assert (change.action, change.kind, change.name) == ("update", "container", f"mlops-{PROJECT}")
    assert "512m" in change.detail
    assert other.deploy(whole(first), progress=QUIET).url.endswith(f":{another_port}")
    assert other.plan(whole(first)) == []
    assert containers() == [f"mlops-{PROJECT}"]
    assert target.status() == other.status(), "a project has one container, whoever asks"


def test_deploying_what_runs_already_changes_nothing(target: DockerTarget, first: Release) -> None:
    found = target.deploy(whole(first), progress=QUIET)
    assert target.deploy(whole(first), progress=QUIET) == found, "not even its start"


def test_another_release_of_the_tool_is_a_change(
    target: DockerTarget, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.deploy(whole(first), progress=QUIET)
    before = first.image.name
    monkeypatch.setattr(packaged, "version", lambda _: "99.0+local")
    (change,) = target.plan(whole(first))
    assert change.detail == f"image: {before} -> conformance:{first.version}-99.0-local"
    target.deploy(whole(first), progress=QUIET)
    assert target.plan(whole(first)) == []
    assert docker("inspect", "--format", "{{.Config.Image}}", f"mlops-{PROJECT}").strip() == (
        first.image.name
    )
    docker("rmi", "--force", first.image.name)


def test_a_server_that_stands_still_for_a_moment_is_not_replaced(
    target: DockerTarget, first: Release
) -> None:
    found = target.deploy(whole(first), progress=QUIET)
    docker("kill", "--signal", "STOP", f"mlops-{PROJECT}")
    command = ("kill", "--signal", "CONT", f"mlops-{PROJECT}")
    goes_on = threading.Timer(6, docker, command)  # longer than one look takes
    goes_on.start()
    assert target.deploy(whole(first), progress=QUIET) == found, "not even its start"
    goes_on.join()


def test_a_replacement_that_fails_on_the_port_brings_the_old_one_back(
    target: DockerTarget, project: Path, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    port = int(url.rpartition(":")[2])

    class Interrupted:
        """Ctrl-C when the new one starts on the port of the old one, which was ended."""

        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            if message.endswith(".next"):
                raise KeyboardInterrupt

        def log(self, message: str) -> None:
            pass

    with pytest.raises(KeyboardInterrupt):
        made(project, port).deploy(whole(second), progress=Interrupted())
    assert get(url)[1]["digest"] == first.digest
    assert containers() == [f"mlops-{PROJECT}"]


def test_an_interrupt_while_the_old_one_ends_brings_it_back(
    target: DockerTarget, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    docker("kill", "--signal", "STOP", f"mlops-{PROJECT}")  # so that it does not end by itself
    container = docker("inspect", "--format", "{{.Id}}", f"mlops-{PROJECT}").strip()
    main = threading.get_ident()

    class Watching:
        """Lets the old one end only after the deploy has turned to bringing it back."""

        goes_on: threading.Timer | None = None

        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            pass

        def log(self, message: str) -> None:
            if "comes back" in message:
                command = ("kill", "--signal", "CONT", container)
                self.goes_on = threading.Timer(2, docker, command)
                self.goes_on.start()

    filters = ("--filter", f"container={container}", "--filter", "event=kill", "--since", "1h")
    command = ["docker", "events", *filters, "--format", "{{.Actor.Attributes.signal}}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:

        def interrupt() -> None:
            """Ctrl-C as soon as the engine has told the old one to end."""
            if any(line.strip() == "15" for line in events.stdout or ()):
                signal.pthread_kill(main, signal.SIGINT)

        watcher = threading.Thread(target=interrupt)
        watcher.start()
        watching = Watching()
        try:
            with pytest.raises(KeyboardInterrupt):
                target.deploy(whole(second), progress=watching)
        finally:
            events.kill()
            watcher.join()
    assert watching.goes_on is not None, "it was the stop that was interrupted"
    watching.goes_on.join()
    assert get(url)[1]["digest"] == first.digest
    assert containers() == [f"mlops-{PROJECT}"]


def test_what_a_killed_deploy_left_is_found_and_swept(target: DockerTarget, first: Release) -> None:
    target.deploy(whole(first), progress=QUIET)
    docker("rename", f"mlops-{PROJECT}", f"mlops-{PROJECT}.next")
    assert target.status() is not None
    target.deploy(whole(first), progress=QUIET)
    assert containers() == [f"mlops-{PROJECT}"]


def test_a_container_that_is_not_ours_is_left_alone(
    target: DockerTarget, first: Release, another_port: int
) -> None:
    first.image.build(progress=QUIET)
    published = f"127.0.0.1:{another_port}:8000"
    docker("run", "-d", "--name", f"x-{PROJECT}", "-p", published, first.image.name)
    try:
        assert target.status() is None
        assert target.stop() is False
        assert docker("ps", "-q", "--filter", f"name=x-{PROJECT}")
    finally:
        docker("rm", "-f", f"x-{PROJECT}")


def test_the_gap_of_a_replacement_is_one_start(
    target: DockerTarget, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    second.image.build(progress=QUIET)
    versions: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                versions.append(get(url, "/openapi.json", timeout=10)[1]["info"]["version"])
            except (OSError, HTTPException, ValueError, KeyError):
                versions.append("none")
            time.sleep(0.01)

    thread = threading.Thread(target=ask)
    thread.start()
    target.deploy(whole(second), progress=QUIET)
    until = time.monotonic() + 120
    while versions[-1] != second.version and time.monotonic() < until:
        time.sleep(0.02)
    over.set()
    thread.join()
    changes = [a for a, b in zip(versions, [*versions[1:], ""], strict=True) if a != b]
    assert [v for v in changes if v != "none"] == [first.version, second.version]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_is_said_so(
    target: DockerTarget, first: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        for action in (target.status, target.stop, target.logs, lambda: target.plan(whole(first))):
            with pytest.raises(EnvironmentFault, match="no Docker engine answers") as refused:
                action()
            assert "DOCKER_HOST" in (refused.value.hint or "")
    del refused
    gc.collect()  # the SDK leaves the socket that it could not connect to the collector


def test_the_compose_file_is_what_compose_understands(
    target: DockerTarget, first: Release, tmp_path: Path
) -> None:
    (file,) = target.render(whole(first), tmp_path)
    text = file.read_text()
    assert f'image: "{first.image.name}"' in text
    assert "read_only: true" in text
    if shutil.which("docker") and "compose" in docker("--help"):
        docker("compose", "-f", str(file), "config", "--quiet")
