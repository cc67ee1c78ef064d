"""Several versions in one service: loaded, swapped and unloaded under load, in every worker."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from mlops_cli.serving.golden import difference
from running import serving
from servers import free_port

KEY, READER = "k" * 43, "r" * 43


class Service:
    """A server with keys, whose folder of models is `folder`."""

    def __init__(self, port: int, process: int, folder: Path) -> None:
        self.port = port
        self.process = process
        self.folder = folder

    def ask(
        self, method: str, path: str, value: Any = None, key: str | None = KEY
    ) -> tuple[int, Any]:
        """Status, and the answer decoded."""
        head = {"authorization": f"Bearer {key}"} if key else {}
        body = None if value is None else msgspec.json.encode(value)
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, body, head)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, msgspec.json.decode(content)

    def load(self, path: str | Path, *, default: bool = False) -> tuple[int, Any]:
        """Ask for a bundle."""
        return self.ask("POST", "/v1/admin/models", {"path": str(path), "default": default})

    def predict(self, version: str, event: Any) -> tuple[int, Any]:
        """Ask a version."""
        return self.ask("POST", f"/v1/models/delays/versions/{version}/predict", event)

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        found = Path(f"/proc/{self.process}/task/{self.process}/children").read_text()
        return [int(pid) for pid in found.split()]


@contextmanager
def _service(folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> Iterator[Service]:
    now = datetime.now(UTC)
    keys = [
        Key("ops", digest_of_key(KEY.encode()), ("predict", "admin"), now),
        Key("web", digest_of_key(READER.encode()), ("predict",), now),
    ]
    (folder / "keys").write_bytes(format_keys(keys))
    monkeypatch.setenv("MLOPS_SERVE_KEYS", str(folder / "keys"))
    monkeypatch.setenv("MLOPS_SERVE_MODELS", str(folder))
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", str(workers))
    port = free_port()
    with serving(folder / "first", "--port", str(port)) as process:
        yield Service(port, process.pid, folder)


@pytest.fixture
def folder(tmp_path: Path, binary: bundles.Sample, other: bundles.Sample) -> Path:
    """A folder with two versions."""
    shutil.copytree(binary.path, tmp_path / "first")
    shutil.copytree(other.path, tmp_path / "second")
    return tmp_path


@pytest.fixture(params=[1, 2])
def service(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """The service with one and with two workers."""
    with _service(folder, monkeypatch, request.param) as service:
        yield service


def test_versions_stand_side_by_side_and_each_gives_its_own_numbers(
    service: Service, other: bundles.Sample, binary: bundles.Sample
) -> None:
    first, second = (open_bundle(sample.path) for sample in (binary, other))
    assert service.predict(second.version, other.events[0])[0] == 404
    status, told = service.load("second")
    assert (status, told["version"], told["default"]) == (201, second.version, False)
    assert service.load("second")[0] == 200  # already
    _, listed = service.ask("GET", "/v1/models", key=READER)
    assert [(m["version"], m["default"]) for m in listed["models"]] == [
        (first.version, True),
        (second.version, False),
    ]
    for sample, bundle in ((binary, first), (other, second)):
        status, answer = service.predict(bundle.version, sample.events)
        assert (status, answer["version"]) == (200, bundle.version)
        for found, raw in zip(answer["predictions"], sample.raw, strict=True):
            wanted = bundles.prediction("binary", raw)
            assert difference(bundle.manifest, wanted, found) is None


def test_the_default_is_swapped_and_only_another_one_is_unloaded(
    service: Service, other: bundles.Sample, binary: bundles.Sample
) -> None:
    first, second = (open_bundle(sample.path).version for sample in (binary, other))
    service.load("second")
    assert service.ask("DELETE", f"/v1/admin/models/{first}")[0] == 409
    assert service.ask("PUT", f"/v1/admin/models/{second}/default")[0] == 200
    for _ in range(8):
        assert service.ask("POST", "/v1/predict", binary.events[0])[1]["version"] == second
        assert service.ask("GET", "/readyz", key=None)[1]["version"] == second
    assert service.ask("DELETE", f"/v1/admin/models/{first}")[0] == 200
    for _ in range(8):
        assert service.predict(first, binary.events[0])[0] == 404
    assert service.ask("DELETE", f"/v1/admin/models/{first}")[0] == 404
    assert service.load("first", default=True)[0] == 201
    assert service.ask("POST", "/v1/predict", binary.events[0])[1]["version"] == first


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("../second", "does not lie below"),
        ("/etc", "does not lie below"),
        ("nothing", "is not a bundle"),
        ("damaged", "is not the file that"),
        ("untrue", "does not reproduce"),
        ("a\0b", "path"),
    ],
)
def test_what_is_no_proven_bundle_is_refused_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, path: str, says: str
) -> None:
    for name in ("damaged", "untrue"):
        shutil.copytree(folder / "second", folder / name)
    model = folder / "damaged/model.ubj"
    content = model.read_bytes()
    model.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    bundles.spoil(folder / "untrue", 3)
    with _service(folder, monkeypatch, 1) as service:
        status, told = service.load(path)
        assert status == 422
        assert says in told["error"]["message"]
        assert len(service.ask("GET", "/v1/models")[1]["models"]) == 1


def test_only_a_key_for_admin_changes_versions(service: Service) -> None:
    for method, path in (
        ("POST", "/v1/admin/models"),
        ("DELETE", "/v1/admin/models/0123456789ab"),
        ("PUT", "/v1/admin/models/0123456789ab/default"),
    ):
        assert service.ask(method, path, {"path": "second"}, key=READER)[0] == 403
        assert service.ask(method, path, {"path": "second"}, key=None)[0] == 401
    assert service.ask("POST", "/v1/admin/models", {"path": 1})[0] == 422
    assert service.ask("POST", "/v1/admin/models", [])[0] == 422


def test_without_keys_there_is_nothing_to_administer(binary: bundles.Sample) -> None:
    port = free_port()
    with serving(binary.path, "--port", str(port)) as process:
        service = Service(port, process.pid, binary.path)
        assert service.load("second")[0] == 404
        assert service.ask("GET", "/v1/models", key=None)[0] == 200


def test_a_worker_that_was_replaced_has_every_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch, other: bundles.Sample
) -> None:
    version = open_bundle(other.path).version
    with _service(folder, monkeypatch, 2) as service:
        service.load("second", default=True)
        for _ in range(3):
            before = service.workers()
            os.kill(before[0], signal.SIGKILL)
            assert wait_until(
                lambda gone=before[0]: len(set(service.workers()) - {gone}) == 2,
                seconds=20,
                step=0.02,
            )
            for _ in range(10):
                assert service.predict(version, other.events[0])[0] == 200
                assert service.ask("GET", "/readyz", key=None)[1]["version"] == version


def test_no_request_is_lost_while_versions_come_and_go(
    service: Service, other: bundles.Sample, binary: bundles.Sample
) -> None:
    first, second = (open_bundle(sample.path).version for sample in (binary, other))
    bad: list[Any] = []
    stop = threading.Event()

    def asking() -> None:
        while not stop.is_set():
            status, answer = service.predict(first, binary.events[0])
            if (status, answer.get("version")) != (200, first):
                bad.append(answer)

    thread = threading.Thread(target=asking)
    thread.start()
    try:
        for _ in range(3):
            assert service.load("second")[0] == 201
            for _ in range(4):
                assert service.predict(second, other.events[0])[0] == 200
            assert service.ask("PUT", f"/v1/admin/models/{second}/default")[0] == 200
            assert service.ask("PUT", f"/v1/admin/models/{first}/default")[0] == 200
            assert service.ask("DELETE", f"/v1/admin/models/{second}")[0] == 200
            for _ in range(4):
                assert service.predict(second, other.events[0])[0] == 404
    finally:
        stop.set()
        thread.join()
    assert bad == []
