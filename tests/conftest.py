"""What every test has in common: a stranger's environment, and what the house counts."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from command_line import Mlops, in_process

pytest_plugins = ["mlops_cli.testing.releases"]

ROOT = Path(__file__).resolve().parents[1]
SUPPRESSION = re.compile(r"#\s*(noqa|type: ignore|nosec|pragma: no cover)")

# A machine that is busy draws slowly: nothing here is judged by a clock.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DVC_NO_ANALYTICS"] = "1"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as in cli/main.py: two workers share two cores

# A job in the background ignores them, and so would every command that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


_homes = itertools.count()


@pytest.fixture(autouse=True)
def _stranger(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    # `mktemp` would look at every folder that thousands of tests made, once for each of them.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_homes))
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc"))
    # `dvc` and `mlops` are this environment's, activated or not.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    # Never os.devnull for git: `git config --global` renames a new file onto it.
    for name in (
        "GIT_CONFIG_GLOBAL",
        "MLFLOW_TRACKING_URI",
        "MLOPS_PROJECT",
        "MLOPS_ENV",
        "MLOPS_RUN",
    ):
        monkeypatch.delenv(name, raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A cluster's tests wait more than they work: they begin, and are left for no worker's end."""
    items.sort(key=lambda item: item.get_closest_marker("kubernetes") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = Counter(
        match[1]
        for path in (ROOT / "src").rglob("*.py")
        for match in SUPPRESSION.finditer(path.read_text(encoding="utf-8"))
    )
    said = ", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "none"
    terminalreporter.write_line(f"suppressions in src, each with its reason beside it: {said}")


@pytest.fixture
def mlops(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Mlops:
    """A command as a person types it, in this process."""
    return in_process(monkeypatch, capfd)


@pytest.fixture(scope="session")
def _docker_version() -> str:
    from mlops_cli import _docker
    from mlops_cli.errors import EnvironmentFault

    try:
        with _docker.engine("the engine cannot be asked") as client:
            return str(client.version()["Version"])
    except EnvironmentFault as e:
        pytest.skip(e.message)


@pytest.fixture
def docker_engine(_docker_version: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version of the Docker engine that is there; skips, with its reason, where none is.

    Wheels and layers of images are kept from one run to the next.
    """
    cache = Path(tempfile.gettempdir()) / f"mlops-cli-tests-{os.getuid()}"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return _docker_version


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(500)
        self.end_headers()
        self.wfile.write(b"<html>out of order</html>")

    do_POST = do_GET  # noqa: N815  the name that http.server calls

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def answering_500() -> Iterator[int]:
    """The port of a real server that answers everything with 500."""
    with HTTPServer(("127.0.0.1", 0), _Broken) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
