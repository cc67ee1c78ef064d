"""The suite on Sail, a Spark Connect without Java."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import Path

import pytest
from packaging.version import Version

from engine_conformance import Conformance
from servers import free_port

pytest.importorskip("pyspark", reason="a client of Spark Connect; `nox -s sail` installs it")
pytest.importorskip("pysail", reason="pysail; `nox -s sail` installs it")
pytestmark = [
    pytest.mark.extras,
    pytest.mark.skipif(
        Version(version("pysail")) < Version("0.8")
        and any(
            Version(found.version) >= Version("4.2") for found in distributions(name="pyspark")
        ),
        reason="Sail 0.7 takes no PySpark of 4.3; `nox -s sail` brings an earlier client",
    ),
]


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    """Its address; a process of its own, which takes two of three tasks to others."""
    port = free_port()
    code = (
        "from pysail.spark import SparkConnectServer as S; import sys; "
        "s = S('127.0.0.1', int(sys.argv[1])); s.start(background=True); "
        "print('up', flush=True); sys.stdin.read()"
    )
    program = [sys.executable, "-c", code, str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, stdin=pipe, stdout=pipe, env=os.environ, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        yield f"sc://127.0.0.1:{port}"
        server.kill()


class TestSail(Conformance):
    @pytest.fixture(autouse=True)
    def address(self, sail: str) -> None:
        self.url = sail

    @pytest.mark.slow
    def test_every_expression_of_100000_rows(self, tmp_path: Path) -> None:
        self.rows = 100_000
        self.test_every_expression(tmp_path)
