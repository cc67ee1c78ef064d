"""What surrounds a project: its disk, rights, registry, git, locks, remote and path."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import bad_tables
from command_line import Done, Mlops, in_little_room, mlops_process
from said import ROWS, check, leftovers

TABLE = "data/raw/table.csv"


@contextmanager
def mounted(*options: str | Path) -> Iterator[None]:
    """A mount that only root may make."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    done = subprocess.run(["mount", *map(str, options)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mount: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(options[-1])], check=True, capture_output=True)


@pytest.fixture
def read_only(project: Path) -> Iterator[Path]:
    (project / "metrics.json").unlink()  # so that there is something to do
    with mounted("--bind", project, project):
        again = ["mount", "-o", "remount,bind,ro", str(project)]
        subprocess.run(again, check=True, capture_output=True)
        yield project


def test_a_project_that_may_not_be_written(read_only: Path, mlops: Mlops) -> None:
    check(mlops(read_only, "status"), "read-only-status")
    check(mlops(read_only, "run"), "read-only-run")
    check(mlops(read_only, "score", TABLE, "out.csv", "--bundle", "model"), "read-only-score")
    check(mlops(read_only, "drift", "--current", TABLE, "--bundle", "model"), "read-only-drift")
    check(mlops(read_only, "register", "--first"), "read-only-register")
    check(mlops(read_only, "init", "new", "--data", TABLE, "--target", "y"), "read-only-init")


def _as_a_user() -> None:
    """Take from root what stands above the rights of files: CAP_DAC_* and CAP_FOWNER."""
    for capability in (1, 2, 3):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.slow
def test_a_project_of_somebody_else(project: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a project to somebody else")
    (project / "metrics.json").unlink()  # so that there is something to do
    for path in (project, *project.rglob("*")):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    before = sorted(project.rglob("*"))

    def asked(*command: object) -> Done:
        return mlops_process(project, *command, preexec_fn=_as_a_user)

    check(asked("status"), "others-status")
    check(asked("run"), "others-run")
    check(asked("score", TABLE, "out.csv", "--bundle", "model"), "others-score")
    check(asked("register", "--first"), "others-register")
    check(asked("deploy", "--port", "18473"), "others-deploy")
    assert sorted(project.rglob("*")) == before
    (project / TABLE).chmod(0o600)
    check(asked("score", TABLE, project.parent / "out.csv", "--bundle", "model"), "others-table")
    assert not (project.parent / "out.csv").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder):
        yield folder


def fill(disk: Path, *, left: int) -> None:
    free = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, free.f_bavail * free.f_frsize - left)))


def test_a_full_disk(small_disk: Path, table: Path, mlops: Mlops) -> None:
    asked = ("--data", table, "--target", "y")
    assert mlops(small_disk, "init", "p", *asked).code == 0
    fill(small_disk, left=0)
    check(mlops(small_disk, "init", "q", *asked), "disk-full-init")
    assert sorted(p.name for p in small_disk.iterdir()) == ["ballast", "p"]
    check(mlops(small_disk / "p", "run"), "disk-full-run")
    (small_disk / "ballast").unlink()
    assert mlops(small_disk / "p", "run", "validate").code == 0
    assert leftovers(small_disk) == []


def test_a_quota(project: Path) -> None:
    asked = ("score", TABLE, "out.csv", "--bundle", "model")
    done = in_little_room(project, *asked, most=5000)
    check(done, "quota-score")
    assert not (project / "out.csv").exists()
    assert leftovers(project) == []


def test_a_locked_database(project: Path, mlops: Mlops) -> None:
    shutil.rmtree(project / ".mlops")  # what is known of the registry
    with closing(sqlite3.connect(project / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        check(mlops(project, "status"), "database-locked")
    assert mlops(project, "status").code == 0


@pytest.mark.parametrize(
    ("name", "port", "command"),
    [
        ("server-away", "nobody_there", ("status",)),
        ("server-500", "answering_500", ("score", TABLE, "out.csv")),
    ],
)
def test_a_server_that_does_not_work(
    project: Path,
    mlops: Mlops,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    name: str,
    port: str,
    command: tuple[str, ...],
) -> None:
    at = request.getfixturevalue(port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:hidden@127.0.0.1:{at}")
    done = mlops(project, *command)
    check(done, name)
    assert "hidden" not in done.said
    assert not (project / "out.csv").exists()


def test_a_lost_registry(project: Path, mlops: Mlops) -> None:
    (project / "mlflow.db").unlink()
    shutil.rmtree(project / "model")  # with it, see test_clone.py
    shutil.rmtree(project / ".mlops/bundles", ignore_errors=True)
    check(mlops(project, "status"), "registry-lost-status")
    check(mlops(project, "score", TABLE, "out.csv"), "registry-lost-score")
    check(mlops(project, "drift", "--current", TABLE), "registry-lost-drift")
    check(mlops(project, "deploy"), "registry-lost-deploy")
    check(mlops(project, "serve"), "registry-lost-serve")
    check(mlops(project, "register"), "registry-lost-register")
    told = mlops(project, "status", "--json").said
    status = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    assert status["result"]["champion"] is None
    assert status["result"]["missing"][0]["name"] == "champion"


def test_the_registrys_files_are_lost(project: Path, mlops: Mlops) -> None:
    shutil.rmtree(project / "mlartifacts")
    shutil.rmtree(project / ".mlops/bundles", ignore_errors=True)
    check(mlops(project, "score", TABLE, "out.csv"), "registry-files-lost")
    assert leftovers(project) == []


_HOLD = """
import sys
from dvc.repo import Repo
with Repo(".") as repo, repo.lock:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_dvc_command_works(project: Path, mlops: Mlops) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD], cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        check(mlops(project, "status"), "dvc-locked-status")
        (project / "metrics.json").unlink()
        check(mlops(project, "run"), "dvc-locked-run")
        other.communicate()
    assert mlops(project, "status").code == 0


def test_every_row_of_the_table_has_its_test() -> None:
    files = [*Path(__file__).parent.glob("*.py"), Path(bad_tables.__file__)]
    tests = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [name for name in ROWS if f'"{name}"' not in tests] == []
