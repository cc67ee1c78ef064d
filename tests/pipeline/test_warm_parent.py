"""The warm parent: nobody may be able to tell that a stage was forked, except by the clock."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import projects
from command_line import Mlops
from forked import BIN, ended, line_of, standing_for, start, status, wait_for
from mlops_cli.actions.run import run
from mlops_cli.config.load import load_project
from mlops_cli.errors import MlopsError
from mlops_cli.pipeline.forkserver import launcher as leader
from mlops_cli.pipeline.forkserver.protocol import SOCKET
from mlops_cli.stages import STAGES

ME = str(os.getpid())
pytestmark = pytest.mark.skipif(not leader.supported(), reason="this system has no pidfd_open")


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
    always = re.compile(r": (done in|(\d+)/\2 )")
    assert not [line for line in either if always.search(line)]
    assert [x for x in mine if x not in either] == [x for x in theirs if x not in either]
    assert len(set(mine) - either) > len(STAGES)


def test_a_run_equals_plain_dvc(project: Path) -> None:
    ours = projects.how_it_ran("parcels")
    states = {s["name"]: s["state"] for s in ours.result["stages"]}
    assert states == {stage.name: "ran" for stage in STAGES}
    dvc = plain_dvc(project, "repro")
    mine, theirs = files(projects.finished("parcels")), files(project)
    # these name the run of MLflow, which is another one
    assert {k for k in mine if mine[k] != theirs.get(k)} <= {"dvc.lock", "image/provenance.json"}
    assert mine.keys() == theirs.keys()
    # What is said after DVC: plain DVC registers nothing, and says how.
    assert [line for line in said(ours.err) if "is the champion" in line]
    assert [line for line in said(dvc.stderr) if "`mlops register`" in line]
    alike = [line for line in said(ours.err) if "is the champion" not in line]
    said_alike(alike, [line for line in said(dvc.stderr) if "`mlops register`" not in line])
    assert "up to date" in plain_dvc(project, "status").stdout


def plain_dvc(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        [BIN / "dvc", command], cwd=project, env=env, capture_output=True, text=True, check=True
    )


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
    assert SOCKET not in os.environ


@pytest.mark.usefixtures("door")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, -signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, -signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, marks=pytest.mark.slow),
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


def test_after_ctrl_c_no_stage_begins(project: Path) -> None:
    with leader.warm_parent():
        assert start(project, "validate").wait(timeout=60) == 0
        interrupt_parent()
        assert start(project, "featurize").wait(timeout=60) == 130
    assert not (project / "data/features.parquet").exists()


def test_a_stage_that_ctrl_c_ended_without_a_word_is_an_interruption(project: Path) -> None:
    def run_of_it() -> None:
        with leader.warm_parent():
            assert start(project, "validate").wait(timeout=60) == 0
            interrupt_parent()
            raise MlopsError("exited with 1, and left no reason")

    with pytest.raises(KeyboardInterrupt):
        run_of_it()


def interrupt_parent() -> None:
    """Ctrl-C in the terminal, at a moment at which only the parent keeps it."""
    mine = [p for p in Path("/proc").glob("[0-9]*") if status(int(p.name)).get("PPid") == ME]
    (parent,) = [int(p.name) for p in mine if "--warm" in line_of(int(p.name))]
    os.kill(parent, signal.SIGINT)


@pytest.mark.parametrize("command", [["false"], ["/no/such/program"]])
def test_without_a_parent_every_stage_works_by_itself(
    project: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr(leader._Doorkeeper, "_command", lambda _: command)
    with leader.warm_parent():
        assert start(project, "validate").wait(timeout=60) == 0
        assert start(project, "featurize").wait(timeout=60) == 0


def test_a_stage_whose_run_is_gone_does_not_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET, "mlops-nobody")
    assert start(project, "validate").wait(timeout=60) == -signal.SIGKILL


def test_a_failure_has_the_code_the_words_and_the_modes_of_a_process_of_its_own(
    project: Path, mlops: Mlops
) -> None:
    mlops(project, "run", "featurize", code=0)
    yaml = YAML()
    contract = yaml.load(project / "contracts/parcels.yaml")
    name = next(n for n, column in contract["columns"].items() if column["type"] == "integer")
    contract["columns"][name] |= {"min": 1_000_000, "max": 2_000_000}
    yaml.dump(contract, project / "contracts/parcels.yaml")
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
late = []
for entry in STAGES:
    list(_imports([entry]))
    before = set(sys.modules)
    assert stage_command([entry.name, "--revision", str(entry.revision)]) == 0
    new = set(sys.modules) - before
    late += [(entry.name, m) for m in new if m.startswith("mlops_cli.")]
    late += [(entry.name, m) for m in new if "." not in m and len(
        [n for n in new if n.startswith(m + ".")]) > 10]
print(sorted(late))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
