"""A small project, made and run by the command line, for the tests that disturb it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

MLOPS = str(Path(sys.executable).parent / "mlops")
INIT = ("init", "small", "--data", "events.parquet", "--target", "target", "--time", "at")


def mlops(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [MLOPS, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def at_work(folder: Path) -> list[str]:
    """Command lines of the processes that stand in the folder or name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            here = str((process / "cwd").readlink()).startswith(str(folder)) or str(folder) in line
            if line and here and int(process.name) != os.getpid():
                found.append(line)
    return found


def registered(project: Path) -> list[str]:
    """The digests of the registry's versions, one for each version."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    return [version.tags["digest"] for version in client.search_model_versions()]
