"""The local target with real processes: killed, replaced under load, moved, copied, deleted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlops_cli.bundle.reader import open_bundle
from mlops_cli.errors import EnvironmentFault
from mlops_cli.packaging.image import BundleImage
from mlops_cli.progress import QUIET
from mlops_cli.serving.contract import CONTROL_FILE, LOG_DIR, ROLLOUT
from mlops_cli.serving.workers import backoff
from mlops_cli.targets.base import Release, whole
from mlops_cli.targets.local.log import KEPT, LIMIT, LOG
from mlops_cli.targets.local.target import LocalTarget
from mlops_cli.testing.target import (
    LogConformance,
    RolloutConformance,
    TargetConformance,
    get,
)
from servers import ask


@pytest.fixture(autouse=True)
def _no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs none: to ask for one fails the test."""
    monkeypatch.setattr(BundleImage, "build", None)


class TestLocalTarget(TargetConformance):
    """The port's contract."""


class TestLocalLog(LogConformance):
    """The log's."""

    @pytest.fixture
    def target(self, project: Path, free_port: int) -> Iterator[LocalTarget]:
        folder = project / ".mlops/local"
        settings = {LOG_DIR: "log"}
        local = LocalTarget(
            folder, host="127.0.0.1", port=free_port, settings=settings, log=folder / "log"
        )
        yield local
        local.stop()


class TestLocalRollout(RolloutConformance):
    """The rollout's."""

    @pytest.fixture
    def target(self, project: Path, free_port: int) -> Iterator[LocalTarget]:
        settings = {CONTROL_FILE: "control.secret", ROLLOUT: "rollout.json"}
        local = LocalTarget(
            project / ".mlops/local", host="127.0.0.1", port=free_port, settings=settings
        )
        yield local
        local.stop()


def processes(project: Path) -> dict[int, str]:
    """Live processes that work in the project's folder, by their command lines."""
    found = {}
    for p in Path("/proc").glob("[0-9]*"):
        try:
            cwd = (p / "cwd").readlink()
            command = (p / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if command and str(cwd).startswith(str(project)):
            found[int(p.name)] = command
    return found


def pid_of(project: Path, module: str) -> int:
    return next(p for p, c in processes(project).items() if module in c)


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.05)


def asked(url: str, path: str) -> list[tuple[http.client.HTTPResponse, bytes]]:
    """The answer under load, on a connection of its own; none where this process stood still."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    with contextlib.closing(connection):
        said = ask(connection, time.monotonic(), path)
    return [said] if said else []


def test_a_killed_server_answers_again_and_connections_wait(
    target: LocalTarget, project: Path, first: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    supervisor = pid_of(project, "supervisor")
    for _ in range(2):
        os.kill(pid_of(project, "mlops_cli.serving"), signal.SIGKILL)
        status, answer = get(url, timeout=30)  # not refused: it waits in the socket
        assert (status, answer["digest"]) == (200, first.digest)
    assert pid_of(project, "supervisor") == supervisor


def test_a_killed_supervisor_leaves_no_orphan(
    target: LocalTarget, project: Path, first: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    os.kill(pid_of(project, "supervisor"), signal.SIGKILL)
    until(lambda: not processes(project))
    assert target.status() is None
    assert target.stop() is False
    with pytest.raises(EnvironmentFault, match="not deployed") as nothing:
        target.logs()
    assert nothing.value.hint == "mlops deploy; what ran last wrote .mlops/local/server.log"
    assert target.deploy(whole(first), progress=QUIET).url == url


def test_a_change_of_version_under_load_fails_no_request(
    target: LocalTarget, project: Path, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    seen: list[str] = []
    failed: list[Exception] = []
    over = threading.Event()

    def load() -> None:
        while not over.is_set():
            try:
                said = asked(url, "/openapi.json")
                seen.extend(json.loads(content)["info"]["version"] for _, content in said)
            except (OSError, http.client.HTTPException, ValueError, KeyError) as e:
                failed.append(e)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for bundle in (second, first, second):
        target.deploy(whole(bundle), progress=QUIET)
    over.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    assert set(seen) == {first.version, second.version}
    until(lambda: len(processes(project)) == 2)  # the old servers are gone


def test_a_port_in_use_changes_nothing(target: LocalTarget, project: Path, first: Release) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = LocalTarget(project / ".mlops/local", host="127.0.0.1", port=port)
        with pytest.raises(EnvironmentFault, match=f"port {port}.*in use") as refused:
            other.deploy(whole(first), progress=QUIET)
    assert "--port" in (refused.value.hint or "")
    assert get(url)[1]["digest"] == first.digest


def test_another_port_moves_the_deployment(
    target: LocalTarget, project: Path, first: Release, second: Release, another_port: int
) -> None:
    old = target.deploy(whole(first), progress=QUIET).url
    other = LocalTarget(project / ".mlops/local", host="127.0.0.1", port=another_port)
    found = other.deploy(whole(second), progress=QUIET)
    assert found.url.endswith(f":{another_port}")
    assert target.status() == found, "a project has one local deployment, whoever asks"

    def refused() -> bool:
        try:
            get(old)
        except OSError:
            return True
        return False

    until(refused)


def test_moves_there_and_back_and_the_end_fail_no_request_under_load(
    target: LocalTarget, project: Path, first: Release, another_port: int
) -> None:
    here = target.deploy(whole(first), progress=QUIET).url
    other = LocalTarget(project / ".mlops/local", host="127.0.0.1", port=another_port)
    answered: list[int] = []
    failed: list[Exception] = []
    over = threading.Event()

    def load(url: str) -> None:
        while not over.is_set():
            try:
                answered.extend(answer.status for answer, _ in asked(url, "/readyz"))
            except ConnectionRefusedError:  # nobody is there any more: that is no lost request
                return
            except (OSError, http.client.HTTPException) as e:
                failed.append(e)

    def start(url: str) -> list[threading.Thread]:
        threads = [threading.Thread(target=load, args=(url,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        return threads

    threads = start(here)
    there = other.deploy(whole(first), progress=QUIET).url
    threads += start(there)
    assert (
        target.deploy(whole(first), progress=QUIET).url == here
    )  # although its server still drains
    threads += start(here)
    assert target.stop() is True
    over.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[:3]
    assert answered


def test_a_renamed_project_is_still_ours_and_a_copied_one_never_was(
    target: LocalTarget, project: Path, first: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    copied, renamed = project.with_name("copied"), project.with_name("renamed")
    shutil.copytree(project, copied)
    copy = LocalTarget(copied / ".mlops/local", host="127.0.0.1", port=1)
    assert copy.status() is None
    assert copy.stop() is False
    assert get(url)[0] == 200
    project.rename(renamed)
    os.kill(pid_of(renamed, "mlops_cli.serving"), signal.SIGKILL)
    assert get(url, timeout=30)[1]["digest"] == first.digest
    moved = LocalTarget(renamed / ".mlops/local", host="127.0.0.1", port=1)
    assert moved.stop() is True
    assert not processes(renamed)


def test_a_deleted_project_ends_what_it_started(
    target: LocalTarget, project: Path, first: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    shutil.rmtree(project / ".mlops")
    until(lambda: not processes(project))


def test_the_stale_lock_of_a_dead_supervisor_kills_no_stranger(
    target: LocalTarget, project: Path, first: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    target.stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (project / ".mlops/local/supervisor.lock").write_text(f"{stranger.pid}\n")
        assert target.stop() is False
        assert target.status() is None
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_cannot_start_again_is_unhealthy_and_can_be_stopped(
    target: LocalTarget, project: Path, first: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    shutil.move(first.bundle.path, project / "elsewhere")
    os.kill(pid_of(project, "mlops_cli.serving"), signal.SIGKILL)
    found = target.status()
    assert found is not None
    assert (found.healthy, found.digest) == (False, first.digest)
    shutil.move(project / "elsewhere", first.bundle.path)
    until(lambda: (now := target.status()) and now.healthy)
    assert target.stop() is True


def test_an_interrupted_deploy_leaves_the_old_one_alone(
    target: LocalTarget, project: Path, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url

    class Interrupted:
        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            raise KeyboardInterrupt

        def log(self, message: str) -> None:
            raise AssertionError(message)

    with pytest.raises(KeyboardInterrupt):
        target.deploy(whole(second), progress=Interrupted())
    until(lambda: len(processes(project)) == 2)
    assert get(url)[1]["digest"] == first.digest
    assert target.deploy(whole(second), progress=QUIET).digest == second.digest


def test_the_server_gets_no_secret_and_no_time_zone(
    target: LocalTarget, project: Path, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    target.deploy(whole(first), progress=QUIET)
    for pid in processes(project):
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert not [e for e in environment if b"very-secret" in e]
        assert b"TZ=UTC" in environment


def test_a_very_long_path_works(tmp_path: Path, first: Release, free_port: int) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name and späces"] * 8)
    shutil.copytree(first.bundle.path, deep / ".mlops/bundles/first")
    target = LocalTarget(deep / ".mlops/local", host="127.0.0.1", port=free_port)
    try:
        release = Release(open_bundle(deep / ".mlops/bundles/first"), first.image)
        found = target.deploy(whole(release), progress=QUIET)
        assert get(found.url)[0] == 200
    finally:
        assert target.stop() is True


def test_one_command_at_a_time(target: LocalTarget, first: Release) -> None:
    class Meanwhile:
        def update(self, message: str, *, done: float = 0, total: float | None = None) -> None:
            with pytest.raises(EnvironmentFault, match="another deploy"):
                target.stop()

        def log(self, message: str) -> None:
            raise AssertionError(message)

    assert target.deploy(whole(first), progress=Meanwhile()).healthy


def test_restarts_begin_at_once_grow_and_stay_bounded() -> None:
    waits = [backoff(n) for n in range(1, 2000)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] == max(waits) == 30


def test_the_unit_runs_the_server_and_no_name_can_break_it(
    target: LocalTarget, first: Release, tmp_path: Path
) -> None:
    folder = tmp_path / 'it is 100% "odd" $HOME'
    shutil.copytree(first.bundle.path, folder)
    odd = Release(open_bundle(folder), first.image)
    (unit,) = target.render(whole(odd), tmp_path / "rendered")
    assert unit.name == f"{first.bundle.manifest.project}.service"
    command = next(x for x in unit.read_text().splitlines() if x.startswith("ExecStart="))
    assert '100%% \\"odd\\" $$HOME"' in command
    if checker := shutil.which("systemd-analyze"):
        found = subprocess.run(
            [checker, "verify", "--man=no", unit], capture_output=True, text=True
        )
        assert unit.name not in found.stderr, found.stderr


def test_a_full_disk_ends_nothing_and_what_died_comes_back(
    target: LocalTarget, project: Path, first: Release, second: Release
) -> None:
    url = target.deploy(whole(first), progress=QUIET).url
    supervisor = pid_of(project, "supervisor")
    _, most = resource.prlimit(supervisor, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (0, most))  # of its children, too
    for _ in range(2):
        os.kill(pid_of(project, "mlops_cli.serving"), signal.SIGKILL)
        assert get(url, timeout=30)[1]["digest"] == first.digest
    assert pid_of(project, "supervisor") == supervisor
    asked = threading.Thread(target=lambda: target.deploy(whole(second), progress=QUIET))
    asked.start()
    until(lambda: get(url)[1]["digest"] == second.digest)
    assert asked.is_alive(), "the outcome could not be written"
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (most, most))
    asked.join(10)
    assert not asked.is_alive(), "there is room, and nobody is told"


def test_a_log_is_cut_and_who_follows_it_reads_on(
    target: LocalTarget, project: Path, first: Release
) -> None:
    target.deploy(whole(first), progress=QUIET)
    log = project / ".mlops/local" / LOG
    following = target.logs(follow=True)
    assert next(following)
    os.truncate(log, LIMIT + 1)  # sparse: no byte is written
    until(lambda: log.stat().st_size == 0)
    assert log.with_name(KEPT).stat().st_size == LIMIT + 1
    os.kill(pid_of(project, "mlops_cli.serving"), signal.SIGKILL)
    assert "is gone: signal 9" in next(line for line in following if "signal" in line)
