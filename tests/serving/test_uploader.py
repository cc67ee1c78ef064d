"""Closed segments reach S3-compatible storage, which is killed and comes back in between."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_cli import collect, load_project
from mlops_cli._poll import wait_until
from mlops_cli.errors import EnvironmentFault
from mlops_cli.serving import segments, uploader
from mlops_cli.serving.logs import open_logs
from mlops_cli.serving.settings import Log
from mlops_cli.serving.uploader import Uploader
from servers import free_port

MOTO = shutil.which("moto_server")
needs_s3 = [
    pytest.mark.extras,
    pytest.mark.skipif(
        not importlib.util.find_spec("obstore"), reason="obstore is not installed (extra s3)"
    ),
    pytest.mark.skipif(not MOTO, reason="moto's server is not on PATH: moto[server,s3]"),
]


class Folder:
    """A folder as storage, that may refuse."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.refuses = False

    def put(self, name: str, file: Path) -> None:
        if self.refuses:
            raise EnvironmentFault("storage is away")
        shutil.copyfile(file, self.path / name)


class S3:
    """moto's server, whose recorder gives it back what it held before it was killed."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        host, port = self.url.removeprefix("http://").split(":")
        environment = {
            "MOTO_RECORDER_FILEPATH": str(self._folder / "recording"),
            "MOTO_ENABLE_RECORDING": "true",
        }
        self._process = subprocess.Popen(
            [str(MOTO), "-H", host, "-p", port],
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_until(lambda: self._answers("GET", "/moto-api/"), seconds=60)
        if (self._folder / "recording").exists():
            assert self._answers("POST", "/moto-api/recorder/replay-recording")

    def kill(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def _answers(self, method: str, path: str, body: bytes | None = None) -> bool:
        try:
            urllib.request.urlopen(
                urllib.request.Request(self.url + path, body, method=method), timeout=10
            ).close()
        except OSError:
            return False
        return True

    def make_bucket(self) -> None:
        assert self._answers("PUT", "/predictions")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    server = S3(tmp_path)
    server.start()
    server.make_bucket()
    for name, value in {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.kill()


def _names() -> list[str]:
    import obstore
    from obstore.store import from_url

    store = from_url("s3://predictions/log", client_options={"allow_http": True})
    return [found["path"] for batch in obstore.list(store) for found in batch]


def _objects() -> dict[str, bytes]:
    import obstore
    from obstore.store import from_url

    store = from_url("s3://predictions/log", client_options={"allow_http": True})
    return {name: bytes(obstore.get(store, name).bytes()) for name in _names()}


def _close_one(folder: Path, text: bytes) -> None:
    segment = segments.Segment(
        folder, segments.new_stem(segments.PREDICTIONS, segments.new_token(), 1)
    )
    segment.write(text)
    segment.close()


def test_a_segment_is_kept_until_the_storage_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "EVERY", 0.01)
    log, there = tmp_path / "log", tmp_path / "there"
    log.mkdir()
    there.mkdir()
    store = Folder(there)
    store.refuses = True
    _close_one(log, b"1\n")
    first = Uploader(log, store)
    time.sleep(0.1)
    assert len(segments.closed(log)) == 1
    store.refuses = False
    assert wait_until(lambda: not segments.closed(log), seconds=30)
    assert [file.read_bytes() for file in there.iterdir()] == [b"1\n"]
    first.close()
    _close_one(log, b"2\n")
    Uploader(log, store).close()  # the last try of a process that ends
    assert {file.read_bytes() for file in there.iterdir()} == {b"1\n", b"2\n"}
    assert segments.closed(log) == []


def test_of_several_processes_one_uploads_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "EVERY", 0.01)
    one, other = Folder(tmp_path / "one"), Folder(tmp_path / "other")
    log = tmp_path / "log"
    for folder in (log, one.path, other.path):
        folder.mkdir()
    first = Uploader(log, one)
    _close_one(log, b"1\n")
    assert wait_until(lambda: not segments.closed(log), seconds=30)
    second = Uploader(log, other)
    for i in range(5):
        _close_one(log, b"%d\n" % i)
        assert wait_until(lambda: not segments.closed(log), seconds=30)
    first.close()
    second.close()
    assert len([*one.path.iterdir()]) == 6
    assert not [*other.path.iterdir()]


_WRITES = """
import sys, time
from pathlib import Path
from mlops_cli.serving import segments, uploader
from mlops_cli.serving.logs import open_logs
from mlops_cli.serving.segment_writer import SegmentWriter
from mlops_cli.serving.settings import Log, Rotate, Seconds, Size
uploader.LONGEST, uploader.EVERY, folder = 0.2, 0.05, Path(sys.argv[1])
size = Rotate(Size(1000), Seconds(1))
settings = Log(dir=str(folder), rotate=size, to="s3://predictions/log")
logs = open_logs(settings, lambda *_: None)
writer = SegmentWriter(folder, segments.PREDICTIONS, settings)
for i in range(3000):
    assert writer.put([b"%099d\\n" % i], 100, 1)
    time.sleep(0.006)
writer.close()
assert (writer.written, writer.dropped) == (3000, 0)
while segments.closed(folder):
    time.sleep(0.05)
logs.close()
"""


_LINE = (
    b'{"time": "2026-03-01T10:00:00Z", "request_id": "r%d", "row": 0, "model": "p", "version": '
    b'"000000000000", "inputs": {}, "prediction": {"probability": 0.25, "label": false}, "ms": 1}\n'
)


class TestRealStorage:
    """Against a server of S3's own interface."""

    pytestmark = needs_s3

    @pytest.mark.slow
    def test_killed_and_restarted_in_between_it_has_every_line_once(
        self, s3: S3, tmp_path: Path
    ) -> None:
        writing = subprocess.Popen([sys.executable, "-c", _WRITES, tmp_path / "log"])
        try:
            for _ in range(3):
                had = len(_names())
                assert wait_until(lambda had=had: len(_names()) > had + 20, seconds=60)
                s3.kill()
                # As a server that keeps what it has: it accepts nobody before that is there again.
                writing.send_signal(signal.SIGSTOP)
                s3.start()
                writing.send_signal(signal.SIGCONT)
            assert writing.wait(120) == 0
        finally:
            writing.kill()
        assert segments.closed(tmp_path / "log") == []
        objects = _objects()
        assert len(objects) > 100
        found = b"".join(objects.values()).splitlines(keepends=True)
        assert sorted(found) == [b"%099d\n" % i for i in range(3000)]

    def test_what_it_has_is_collected_once(self, s3: S3, tmp_path: Path) -> None:
        root, log = tmp_path / "p", tmp_path / "log"
        root.mkdir()
        log.mkdir()
        (root / "mlops.yaml").write_text(
            "project: p\ntask: binary\ndata: {table: t.csv, target: y}\n"
            "serve: {log: {to: 's3://predictions/log'}}\n"
        )
        for i in range(3):
            _close_one(log, _LINE % i)
        logs = open_logs(Log(dir=str(log), to="s3://predictions/log"), lambda *_: None)
        assert logs is not None
        logs.close()
        assert segments.closed(log) == []
        project = load_project(root)
        assert [collect(project).rows for _ in range(2)] == [3, 0]
        assert len(_names()) == 3
        s3.kill()
        with pytest.raises(EnvironmentFault, match="s3://predictions/log cannot be listed"):
            collect(project)

    def test_a_bucket_that_is_not_there_loses_nothing_and_is_told(
        self, s3: S3, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        log = tmp_path / "log"
        log.mkdir()
        _close_one(log, b"1\n")
        logs = open_logs(Log(dir=str(log), to="s3://absent-bucket"), lambda *_: None)
        assert logs is not None
        logs.close()
        assert len(segments.closed(log)) == 1
        assert "the log is kept, and uploaded later: s3://absent-bucket/predictions-" in caplog.text


@pytest.mark.skipif(
    importlib.util.find_spec("obstore") is not None, reason="obstore is installed here"
)
def test_without_the_extra_the_server_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="'obstore' is not installed") as caught:
        open_logs(Log(dir=str(tmp_path), to="s3://bucket"), lambda *_: None)
    assert caught.value.hint == "pip install 'mlops-cli[s3]'"
