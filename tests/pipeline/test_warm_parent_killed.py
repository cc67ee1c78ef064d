"""The warm parent, its child and whoever waits for it, signalled, stopped and killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from forked import BIN, ended, line_of, searching, standing_for, start, status, wait_for
from mlops_cli.pipeline.forkserver import launcher as leader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not leader.supported(), reason="this system has no pidfd_open"),
]


@pytest.mark.usefixtures("door")
def test_the_child_ends_with_its_parent(ready: Path) -> None:
    client = start(ready, "tune")
    child = searching(ready)
    os.kill(int(status(child)["PPid"]), signal.SIGKILL)
    assert client.wait(timeout=60) == -signal.SIGKILL
    wait_for(lambda: ended(child))


@pytest.mark.usefixtures("door")
def test_a_parent_that_ends_between_two_stages_is_done_without(ready: Path) -> None:
    client = start(ready, "tune")
    parent = int(status(searching(ready))["PPid"])
    os.kill(parent, signal.SIGKILL)
    assert client.wait(timeout=60) == -signal.SIGKILL
    assert start(ready, "validate").wait(timeout=60) == 0


@pytest.mark.parametrize("group", [False, True])
def test_a_killed_run_leaves_nothing_running(ready: Path, group: bool) -> None:
    command = [str(BIN / "mlops"), "run"]
    ours = subprocess.Popen(
        command, cwd=ready, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    child = searching(ready)
    parent = int(status(child)["PPid"])
    (os.killpg if group else os.kill)(ours.pid, signal.SIGKILL)
    ours.wait()
    wait_for(lambda: ended(child) and ended(parent))
    left = [p for p in Path("/proc").glob("[0-9]*") if "mlops stage" in line_of(int(p.name))]
    wait_for(lambda: not any(_stands_in(p, ready) for p in left))


def _stands_in(process: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (process / "cwd").readlink() == folder
    return False


@pytest.mark.usefixtures("door")
def test_a_stage_that_is_stopped_stands_still_and_goes_on(ready: Path) -> None:
    client = start(ready, "tune")
    child = standing_for(client, ready)
    client.send_signal(signal.SIGTSTP)
    wait_for(lambda: status(child)["State"].startswith("T"))
    wait_for(lambda: status(client.pid)["State"].startswith("T"))
    client.send_signal(signal.SIGCONT)
    wait_for(lambda: not status(child)["State"].startswith("T"))
    client.kill()
    client.wait()
