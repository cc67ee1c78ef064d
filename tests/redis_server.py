"""Redis, as Debian has it, for the tests of what is kept there."""

from __future__ import annotations

import importlib.util
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mlops_cli._poll import wait_until
from servers import free_port

needs_redis = [
    pytest.mark.redis,
    pytest.mark.skipif(
        not importlib.util.find_spec("redis"), reason="redis is not installed (extra redis)"
    ),
    pytest.mark.skipif(
        not shutil.which("redis-server"), reason="redis-server is not on PATH: apt-get install it"
    ),
]


class Redis:
    """Debian's own server on a free port, that keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, free_port()
        self._command = ["redis-server", "--port", str(self.port), "--bind", host,
            "--dir", str(folder), "--save", "", *options]  # fmt: skip
        self._options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Redis:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        assert wait_until(lambda: self.client("PING") != b"", seconds=20)
        return self

    def client(self, *words: str, text: bytes = b"") -> bytes:
        login = ["-a", self._options[-1], "--no-auth-warning"] if self._options else []
        line = ["redis-cli", "-h", self.host, "-p", str(self.port), *login, *words]
        done = subprocess.run(line, input=text, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else b""

    def rows(self) -> int:
        """How many are kept."""
        return int(self.client("DBSIZE") or 0)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
