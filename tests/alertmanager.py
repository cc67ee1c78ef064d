"""Prometheus and Alertmanager as Debian has them, for the tests of what is told to them."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from mlops_cli._poll import wait_until
from servers import free_port

needs_prometheus = [
    pytest.mark.prometheus,
    pytest.mark.skipif(
        not (shutil.which("prometheus") and shutil.which("prometheus-alertmanager")),
        reason="prometheus and prometheus-alertmanager are not on PATH: apt-get install them",
    ),
]


class Program:
    """A server of theirs on a free port of this machine."""

    ready = "/-/ready"

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._log = log.open("wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        if not wait_until(self._is_up, seconds=30):
            self.stop()
            raise AssertionError(log.read_text(encoding="utf-8"))

    def _is_up(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self.ready, timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    def json(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self._log.close()


class Alertmanager(Program):
    """It tells `hook`, if there is one, at once."""

    def __init__(self, folder: Path, hook: str | None = None) -> None:
        hooks = f"webhook_configs: [{{url: '{hook}', send_resolved: true}}]" if hook else ""
        config = folder / "alertmanager.yml"
        config.write_text(
            "route: {receiver: all, group_by: [...], group_wait: 0s, group_interval: 1s}\n"
            f"receivers:\n  - name: all\n    {hooks}\n",
            encoding="utf-8",
        )
        port = free_port()
        command = ["prometheus-alertmanager", f"--config.file={config}",
            f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
        super().__init__(command, port, folder / "alertmanager.log")

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that stand now."""
        found: list[dict[str, Any]] = self.json("/api/v2/alerts")
        return found


class Prometheus(Program):
    """It reads `config`, and keeps what it scrapes in the folder."""

    def __init__(self, folder: Path, config: Path) -> None:
        port = free_port()
        command = ["prometheus", f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
        super().__init__(command, port, folder / "prometheus.log")

    def value(self, query: str) -> float | None:
        """The first value of a query; None where there is none."""
        result = self.json(f"/api/v1/query?query={urllib.request.quote(query)}")["data"]["result"]
        return float(result[0]["value"][1]) if result else None
