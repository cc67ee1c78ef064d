"""The server's own lines, as text and as JSON."""

from __future__ import annotations

import json
import logging
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import bundles
from mlops_cli._json import message_of
from mlops_cli.serving.console import EcsFormatter
from running import command, serving
from servers import free_port


def _lines(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_a_server_says_in_json_where_it_answers(binary: bundles.Sample) -> None:
    port = free_port()
    with serving(binary.path, "--port", str(port), "--log-format", "json") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        assert process.stderr is not None
        (line,) = _lines(process.stderr.read().decode())
    assert line["message"].endswith(f"answers on http://127.0.0.1:{port}")
    assert (line["log.level"], line["process.pid"]) == ("info", process.pid)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["@timestamp"])
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["@timestamp"])).days == 0


@pytest.mark.parametrize("form", ["text", "json"])
def test_it_says_why_it_does_not_start(tmp_path: Path, form: str) -> None:
    done = subprocess.run(
        command(tmp_path / "none", "--log-format", form),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 8
    said = [message_of(line) for line in done.stderr.splitlines()]
    assert said[0].startswith("error: ")
    assert str(tmp_path / "none") in said[0]
    if form == "json":
        assert {line["log.level"] for line in _lines(done.stderr)} == {"error"}
    else:
        assert said == done.stderr.splitlines()


_ENDS = """
from mlops_cli.serving.console import Console
import warnings
Console("json")
warnings.warn("a warning")
raise KeyError("a\\nfault")
"""


def test_a_fault_and_a_warning_are_one_line_each() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ENDS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    warned, ended = _lines(done.stderr)
    assert "a warning" in warned["message"]
    assert warned["log.level"] == "warning"
    assert (ended["log.level"], ended["error.type"]) == ("critical", "KeyError")
    assert ended["error.stack_trace"].startswith("Traceback")
    assert message_of(done.stderr.splitlines()[1]).startswith("the server ended: KeyError: ")


def test_what_cannot_be_written_as_utf8_is_a_line_too() -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, "%s \udcff", ("\n",), None)
    line = EcsFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "\n \udcff"


@pytest.mark.parametrize("line", ["plain", "", "{}", '{"message": 1}', '["message"]', "\udcff"])
def test_a_line_that_is_no_json_of_ours_is_left(line: str) -> None:
    assert message_of(line) == line
