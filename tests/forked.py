"""Stages that a warm parent forks: how they are started, found and watched."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

from mlops_cli.stages import stage

BIN = Path(sys.executable).parent
ENDLESS = {"trials": 100_000, "rounds": 10}


def tune(project: Path, section: dict[str, int]) -> None:
    yaml = YAML()
    config = yaml.load(project / "mlops.yaml")
    config["tune"] = section
    yaml.dump(config, project / "mlops.yaml")


def start(project: Path, name: str, **how: int) -> subprocess.Popen[str]:
    command = [str(BIN / "mlops"), "stage", name, "--revision", str(stage(name).revision)]
    with (project.parent / "stderr").open("w") as said:
        return subprocess.Popen(
            command, cwd=project, text=True, stderr=said, start_new_session=True, **how
        )


def status(process: int) -> dict[str, str]:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return {}


def line_of(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def forked_in(project: Path) -> int | None:
    """The process that works in the project and was forked by a warm parent."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            above = int(status(int(entry.name)).get("PPid", "0"))
            if (entry / "cwd").readlink() == project and "--warm" in line_of(above):
                return int(entry.name)
    return None


def wait_for(condition: object, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.05)


def searching(project: Path) -> int:
    """The forked child, once its search has begun."""
    wait_for(lambda: forked_in(project) and any((project / ".mlops/tune").rglob("*")))
    child = forked_in(project)
    assert child is not None
    return child


def standing_for(client: subprocess.Popen[str], project: Path) -> int:
    """The forked child, once its search has begun and its client passes signals on to it."""
    child = searching(project)
    last = 1 << (signal.SIGTSTP - 1)  # of the signals that the client takes
    wait_for(lambda: int(status(client.pid)["SigCgt"], 16) & last)
    return child


def ended(process: int) -> bool:
    return status(process).get("State", "Z").startswith("Z")
