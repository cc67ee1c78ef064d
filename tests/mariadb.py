"""MariaDB, as Debian has it, for the tests of what comes through SQLAlchemy."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops_cli._poll import wait_until
from servers import free_port

needs_mariadb = [
    pytest.mark.skipif(not importlib.util.find_spec("pymysql"), reason="pymysql is not installed"),
    pytest.mark.skipif(
        not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")),
        reason="mariadbd is not on PATH: apt-get install mariadb-server",
    ),
]


@dataclass(frozen=True, slots=True)
class MariaDb:
    """A server on a free port; `url` is of a login that may do everything in one database."""

    url: str
    socket: Path

    def execute(self, statements: str) -> str:
        command = ["mariadb", "-N", "-S", str(self.socket), "-u", "root", "lake"]
        done = subprocess.run(command, input=statements, text=True, capture_output=True, check=True)
        return done.stdout


@contextmanager
def mariadb() -> Iterator[MariaDb]:
    with tempfile.TemporaryDirectory(prefix="mariadb") as folder:  # a socket's path is short
        data, socket, port = Path(folder) / "data", Path(folder) / "s", free_port()
        made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
                "--auth-root-authentication-method=normal"]  # fmt: skip
        subprocess.run([*made, "--user=root"], capture_output=True, check=True)
        command = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}",
                   f"--socket={socket}", f"--port={port}", "--bind-address=127.0.0.1"]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = MariaDb(f"mysql+pymysql://ann:right-word@127.0.0.1:{port}/lake", socket)
        try:
            assert wait_until(lambda: _made(found), seconds=60, step=0.2)
            yield found
        finally:
            server.kill()
            server.wait()


def _made(server: MariaDb) -> bool:
    command = ["mariadb", "-S", str(server.socket), "-u", "root"]
    said = (
        "create database lake; create user ann@'127.0.0.1' identified by 'right-word'; "
        "grant all on lake.* to ann@'127.0.0.1'"
    )
    return subprocess.run(command, input=said, text=True, capture_output=True).returncode == 0
