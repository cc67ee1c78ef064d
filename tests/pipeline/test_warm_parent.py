"""The warm parent: nobody may be able to tell that a stage was forked, except by the clock."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from learning import events
from mlops_cli.actions.run import run
from mlops_cli.config.load import load_project
from mlops_cli.pipeline.forkserver import launcher as leader
from mlops_cli.pipeline.forkserver.protocol import DOOR
from mlops_cli.stages import STAGES, stage

BIN = Path(sys.executable).parent
ENDLESS = {"trials": 100_000, "rounds": 10}

pytestmark = pytest.mark.skipif(not leader.supported(), reason="this system has no pidfd_open")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("warm")
    pq.write_table(events(300, "binary"), root / "events.parquet")
    command = ["init", "small", "--data", "events.parquet", "--target", "target", "--time", "at"]
    subprocess.run([BIN / "mlops", *command], cwd=root, check=True, capture_output=True)
    tune(root / "small", {"trials": 2, "rounds": 10})
    return root / "small"


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / "small")


@pytest.fixture(scope="module")
def featurized(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy(made, tmp_path_factory.mktemp("featurized") / "small")
    mlops(project, "run", "featurize")
    tune(project, ENDLESS)
    return project


@pytest.fixture
def ready(featurized: Path, tmp_path: Path) -> Path:
    """A project whose next stage is a search that takes for ever."""
    return copy(featurized, tmp_path / "small")


@pytest.fixture
def door() -> Iterator[None]:
    with leader.warm_parent():
        yield


def copy(project: Path, to: Path) -> Path:
    shutil.copytree(project, to, symlinks=True)
    return to


def tune(project: Path, section: dict[str, int]) -> None:
    yaml = YAML()
    config = yaml.load(project / "mlops.yaml")
    config["tune"] = section
    yaml.dump(config, project / "mlops.yaml")


def mlops(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "mlops"), *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


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


def command_line(process: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def forked_in(project: Path) -> int | None:
    """The process that works in the project and was forked by a warm parent."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            above = int(status(int(entry.name)).get("PPid", "0"))
            if (entry / "cwd").readlink() == project and "--warm" in command_line(above):
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


def files(project: Path) -> dict[str, bytes]:
    """What a run makes, but for what tells when, where and in which commit it was made."""
    roots = ("data", "tune", "model", "image", "contracts")
    made = [f for root in roots for f in (project / root).rglob("*") if f.is_file()]
    made += [project / name for name in ("dvc.lock", "dvc.yaml", "metrics.json", "decision.json")]
    kept = [f for f in made if f.name != "provenance.json"]
    return {str(f.relative_to(project)): f.read_bytes() for f in kept}


def said(stderr: str) -> list[str]:
    """What our stages said, without how long it took."""
    names = tuple(f"{s.name}:" for s in STAGES)
    lines = [line for line in stderr.splitlines() if line.startswith(names)]
    return [re.sub(r"[\d.]+ s\b", "", line) for line in lines]


def said_alike(mine: list[str], theirs: list[str]) -> None:
    """The same lines in the same order, but for those that are said every five seconds."""
    either = set(mine) ^ set(theirs)
    always = re.compile(r": (done in|(\d+)/\2 |\w{12} is the champion)")
    assert not [line for line in either if always.search(line)]
    assert [x for x in mine if x not in either] == [x for x in theirs if x not in either]
    assert len(set(mine) - either) > len(STAGES)


def test_a_run_equals_plain_dvc(project: Path, tmp_path: Path) -> None:
    plain = copy(project, tmp_path / "other" / "small")
    ours = mlops(project, "run")
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    dvc = subprocess.run(
        [BIN / "dvc", "repro"], cwd=plain, env=env, capture_output=True, text=True, check=True
    )
    assert ours.returncode == 0, ours.stderr
    mine, theirs = files(project), files(plain)
    # these name the run of MLflow, which is another one
    assert {k for k in mine if mine[k] != theirs.get(k)} <= {"dvc.lock", "image/provenance.json"}
    assert mine.keys() == theirs.keys()
    said_alike(said(ours.stderr), said(dvc.stderr))


def test_the_parent_is_not_started_when_nothing_is_to_be_done(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    command = leader._Doorkeeper._command
    monkeypatch.setattr(
        leader._Doorkeeper, "_command", lambda self: asked.append(1) or command(self)
    )
    run(load_project(project), "featurize")
    assert len(asked) == 1
    run(load_project(project), "featurize")
    assert len(asked) == 1
    assert DOOR not in os.environ


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_the_stage_as_it_would_end_a_process_of_its_own(
    ready: Path, number: signal.Signals, code: int
) -> None:
    client = start(ready, "tune")
    child = standing_for(client, ready)
    client.send_signal(number)
    assert client.wait(timeout=60) == code
    wait_for(lambda: ended(child))
    outcome = ready / ".mlops/outcome/tune.json"
    told = json.loads(outcome.read_text())["failure"]["code"] if outcome.exists() else None
    assert told == (130 if number == signal.SIGINT else None)


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


@pytest.mark.usefixtures("door")
def test_the_child_ends_with_its_parent(ready: Path) -> None:
    client = start(ready, "tune")
    child = searching(ready)
    os.kill(int(status(child)["PPid"]), signal.SIGKILL)
    assert client.wait(timeout=60) == -signal.SIGKILL
    wait_for(lambda: ended(child))


@pytest.mark.parametrize("command", [["false"], ["/no/such/program"]])
def test_without_a_parent_every_stage_works_by_itself(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(leader._Doorkeeper, "_command", lambda _: command)
    with leader.warm_parent():
        assert start(project, "validate").wait(timeout=60) == 0
        assert start(project, "featurize").wait(timeout=60) == 0


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
    left = [p for p in Path("/proc").glob("[0-9]*") if "mlops stage" in command_line(int(p.name))]
    wait_for(lambda: not any(_stands_in(p, ready) for p in left))


def _stands_in(process: Path, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (process / "cwd").readlink() == folder
    return False


def test_a_stage_whose_run_is_gone_does_not_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DOOR, "mlops-nobody")
    assert start(project, "validate").wait(timeout=60) == -signal.SIGKILL


def test_a_failure_has_the_code_the_words_and_the_modes_of_a_process_of_its_own(
    project: Path,
) -> None:
    mlops(project, "run", "featurize")
    yaml = YAML()
    contract = yaml.load(project / "contracts/events.yaml")
    name = next(n for n, column in contract["columns"].items() if column["type"] == "integer")
    contract["columns"][name] |= {"min": 1_000_000, "max": 2_000_000}
    yaml.dump(contract, project / "contracts/events.yaml")
    written = [project / "reports/validate.json", project / "data/rejected.parquet"]
    found = []
    for warm in (False, True):
        for path in written:
            path.unlink(missing_ok=True)
        with leader.warm_parent() if warm else contextlib.nullcontext():
            code = start(project, "validate", umask=0o077).wait(timeout=60)
        stderr = (project.parent / "stderr").read_text()
        # Progress comes as often as the machine is slow.
        stderr = re.sub(r"validate: .* against contracts/.*\n", "", stderr)
        modes = {f.name: oct(f.stat().st_mode & 0o777) for f in written if f.exists()}
        found.append((code, re.sub(r"[\d.]+ s\b", "", stderr), modes))
    assert found[0] == found[1]
    assert found[0][0] == 3
    assert set(found[0][2].values()) == {"0o600"}


def test_threads_of_nobody_knows_whom_forbid_a_fork() -> None:
    code = """
import threading, numpy, pyarrow, sklearn
from mlops_cli.pipeline.forkserver.server import _may_fork
print(_may_fork())
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(_may_fork())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_a_stage_finds_every_library_loaded(project: Path) -> None:
    code = """
import sys
from mlops_cli.cli.stage import stage_command
from mlops_cli.pipeline.forkserver.server import _imports
from mlops_cli.stages import STAGES
LIGHT = {"mlops_cli.serving.xgboost_model"}  # its library is loaded already
late = []
for entry in STAGES:
    list(_imports([entry]))
    before = set(sys.modules)
    assert stage_command([entry.name, "--revision", str(entry.revision)]) == 0
    new = set(sys.modules) - before
    late += [(entry.name, m) for m in new if m.startswith("mlops_cli.") and m not in LIGHT]
    late += [(entry.name, m) for m in new if "." not in m and len(
        [n for n in new if n.startswith(m + ".")]) > 10]
print(sorted(late))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
