"""Files and folders are written whole or not at all, and a killed writer's remains go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops_cli._files import replacing, replacing_folder, temporary_beside, write_text

FILE = "with replacing(Path('made.txt')) as new: new.write_text('half'); wait()"
FOLDER = "with replacing_folder(Path('made')) as new: (new / 'a').write_text('half'); wait()"


def killed(folder: Path, code: str) -> int:
    script = f"""
from pathlib import Path
from mlops_cli._files import replacing, replacing_folder
def wait():
    print('writing', flush=True)
    import time; time.sleep(60)
{code}
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    return process.pid


def test_what_a_killed_writer_left_goes_when_the_same_is_written_again(tmp_path: Path) -> None:
    killed(tmp_path, FILE)
    killed(tmp_path, FOLDER)
    assert len(list(tmp_path.iterdir())) == 2  # or there is nothing to test
    write_text(tmp_path / "made.txt", "whole")
    with replacing_folder(tmp_path / "made") as new:
        (new / "a").write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made", "made.txt"]
    assert (tmp_path / "made.txt").read_text() == (tmp_path / "made/a").read_text() == "whole"


def test_what_a_living_process_or_another_machine_writes_stays(tmp_path: Path) -> None:
    here, others = temporary_beside(tmp_path / "made"), tmp_path / ".made.elsewhere-1-0.tmp"
    parents = tmp_path / here.name.replace(str(os.getpid()), str(os.getppid()))
    for name in (here, others, parents):
        name.touch()
    assert temporary_beside(tmp_path / "made") != here
    assert all(name.exists() for name in (here, others, parents))


def test_many_may_clear_away_at_once(tmp_path: Path) -> None:
    for _ in range(20):
        ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
        name = f".made.{os.uname().nodename}-{ended.stdout.strip()}-0.tmp"
        for part in range(50):
            (tmp_path / name / str(part)).mkdir(parents=True)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(temporary_beside, [tmp_path / "made"] * 8))
        assert not list(tmp_path.iterdir())


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "made"
    with replacing_folder(path) as new:
        (new / "a").touch()
    with pytest.raises(ZeroDivisionError), replacing_folder(path):
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file"):
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["made"]
    assert [p.name for p in path.iterdir()] == ["a"]
