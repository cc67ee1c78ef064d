"""What is recorded of a model from elsewhere: its own, once, wherever the command was killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from approving import YAML, approved, commit, entries
from mlops_cli.actions.promote import promote
from mlops_cli.audit.graph import champion
from mlops_cli.audit.log import known_entries
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import UsageError
from mlops_cli.governance import imported, registration, waiting
from mlops_cli.governance.imported import Entrant, enter
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CANDIDATE, CHAMPION, PREVIOUS
from tracking.conftest import make_bundle


class Killed(BaseException):
    """As the process ends in the middle."""


def entrant(project: Project, name: str, table: str = "2" * 64) -> Entrant:
    bundle = make_bundle(project.root / "bundles" / name, name.encode())
    return Entrant(bundle, "onnx", {"roc_auc": 0.9}, {"model": "1" * 64, "table": table})


@pytest.fixture
def free(project: Project) -> Project:
    """The project, and nobody is asked."""
    commit(project.root, YAML + "register: {gates: []}\n")
    return load_project(project.root)


def done(project: Project) -> list[tuple[str, str]]:
    return [(e.action, e.subject["digest"]) for e in known_entries(project.root).values()]


def test_nothing_of_the_model_in_the_workspace_is_its_evidence(free: Project) -> None:
    root = free.root
    lock = "schema: '2.0'\nstages: {train: {cmd: x, deps: [{path: data.csv, md5: '1'}]}}\n"
    (root / "dvc.lock").write_text(lock)
    (root / "decision.json").write_text("{}")
    (root / "model").mkdir()
    (root / "model/requirements.txt").write_text("another==1\n")
    version = enter(free, entrant(free, "one"), first=True)
    made = known_entries(root)
    wanted = {"contracts", "code", "environment", "inputs", "model", "table"}
    assert [set(e.evidence) for e in made.values()] == [wanted] * 2
    assert len({e.evidence["environment"] for e in made.values()}) == 1
    (root / "model/requirements.txt").write_text("one more==2\n")
    enter(free, entrant(free, "one"), first=True)
    assert known_entries(root) == made
    assert open_tracker(free).alias(CHAMPION) == version


@pytest.mark.parametrize("at", ["import", "crown", "register"])
def test_one_that_was_killed_is_recorded_by_the_next(
    free: Project, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed("here")

    module, name = {
        "import": (imported, "record"),
        "crown": (imported, "crown"),
        "register": (registration, "record"),
    }[at]
    with monkeypatch.context() as killing:
        killing.setattr(module, name, die)
        with pytest.raises(Killed, match="here"):
            enter(free, entrant(free, "one"), first=True)
    digest = enter(free, entrant(free, "one"), first=False).digest
    assert done(free) == [("import", digest), ("register", digest)]
    assert champion(known_entries(free.root)) == digest


def test_a_candidate_that_was_killed_is_recorded_by_the_next(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise Killed("here")

    with monkeypatch.context() as killing:
        killing.setattr(waiting, "record", die)
        with pytest.raises(Killed, match="here"):
            enter(project, entrant(project, "one"), first=True)
    version = enter(project, entrant(project, "one"), first=True)
    assert done(project) == [("import", version.digest), ("register", version.digest)]
    assert open_tracker(project).alias(CANDIDATE) == version
    approved(project, monkeypatch)
    given = [e for e in entries(project).values() if e.action == "approve"]
    assert {e.evidence["model"] for e in given} == {"1" * 64}
    assert promote(project).digest == version.digest


def test_its_entries_are_signed_as_all_are(free: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def signing(project: Project, key: Path | None) -> Callable[[bytes], str]:
        return lambda content: "signed"

    monkeypatch.setattr("mlops_cli.audit.record._signing", signing)
    enter(free, entrant(free, "one"), first=True)
    assert [e.signature for e in known_entries(free.root).values()] == ["signed"] * 2


def test_a_former_champion_comes_back_by_promote_alone(free: Project) -> None:
    one = enter(free, entrant(free, "one"), first=True)
    two = enter(free, entrant(free, "two"), first=True)
    with pytest.raises(UsageError, match=f"{one.version} is not imported again: it was the champ"):
        enter(free, entrant(free, "one"), first=True)
    tracker = open_tracker(free)
    assert (tracker.alias(CHAMPION), tracker.alias(PREVIOUS)) == (two, one)
    assert promote(free, one.version).before == two.digest
