"""A real PostgreSQL for tests, where this machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from servers import free_port

FOUND = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
BIN = FOUND[-1].parent if FOUND else Path(shutil.which("initdb") or "/nowhere/initdb").parent


class Postgres:
    """A server with one database, which a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"postgresql://mlops@127.0.0.1:{self.port}/tune"

    def run(self, *command: str) -> None:
        """Run a program of PostgreSQL as somebody who may: root may not."""
        line = [str(BIN / command[0]), *command[1:]]
        if os.geteuid() == 0:
            line = ["runuser", "-u", "postgres", "--", *line]
        subprocess.run(line, check=True, capture_output=True, cwd="/")

    def start(self) -> None:
        data, log = str(self.folder / "data"), str(self.folder / "log")
        options = f"-p {self.port} -k {self.folder} -c fsync=off"
        self.run("pg_ctl", "-D", data, "-w", "-o", options, "-l", log, "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that is there until the block ends; skips where there is no PostgreSQL."""
    pytest.importorskip("psycopg")
    if not (BIN / "initdb").exists():
        pytest.skip("no PostgreSQL on this machine: apt install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path has to be short
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(folder)
        server.run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "mlops", "-N")
        server.start()
        try:
            server.run("createdb", "-h", "127.0.0.1", "-p", str(server.port), "-U", "mlops", "tune")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
