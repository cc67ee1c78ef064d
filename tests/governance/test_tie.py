"""Two clones at one registry that make a champion at the same moment: the first one stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from approving import approved, candidate, entries
from audit_logs import git
from mlops_cli.actions.promote import promote
from mlops_cli.actions.rollback import rollback
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champion, champions, lasting
from mlops_cli.audit.log import append, known_entries
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import GateError, UsageError
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, ModelVersion
from mlops_cli.tracking.mlflow import MlflowTracker


@dataclass(frozen=True)
class Pair:
    """Two clones, and in their registry two versions that may replace nobody."""

    mine: Project
    other: Project
    one: ModelVersion
    two: ModelVersion


@pytest.fixture
def pair(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.root}/mlflow.db")
    clone = tmp_path / "clone"
    git(project.root, "clone", "-q", ".", str(clone))
    one = candidate(project, "one")
    approved(project, monkeypatch, one.version)
    two = candidate(project, "two")
    approved(project, monkeypatch, two.version)
    return Pair(project, load_project(clone), one, two)


def at_once(monkeypatch: pytest.MonkeyPatch, other: Any) -> None:
    """When the next alias `champion` is set, and before that is recorded, `other` happens.

    The other one sees no champion yet: it looked before that alias was set.
    """
    move, sees = MlflowTracker.set_alias, MlflowTracker.alias

    def beside(self: MlflowTracker, name: str, version: ModelVersion, **expected: Any) -> None:
        move(self, name, version, **expected)
        if name != CHAMPION:
            return
        monkeypatch.setattr(MlflowTracker, "set_alias", late)
        monkeypatch.setattr(MlflowTracker, "alias", blind)
        other()

    def blind(self: MlflowTracker, name: str) -> ModelVersion | None:
        return None if name == CHAMPION else sees(self, name)

    def late(self: MlflowTracker, name: str, version: ModelVersion, **expected: Any) -> None:
        monkeypatch.setattr(MlflowTracker, "alias", sees)
        monkeypatch.setattr(MlflowTracker, "set_alias", move)
        move(self, name, version, expected=sees(self, name))

    monkeypatch.setattr(MlflowTracker, "set_alias", beside)


def test_of_two_promotions_at_once_the_first_by_the_log_stands(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch, lambda: promote(pair.other, pair.two.version))
    with pytest.raises(GateError, match=f"{pair.two.version} became the champion at the same mom"):
        promote(pair.mine, pair.one.version)
    for clone in (pair.mine, pair.other):
        assert open_tracker(clone).alias(CHAMPION) == pair.two
        assert champion(entries(clone)) == pair.two.digest
        assert champions(entries(clone)) == {pair.two.digest}
    with pytest.raises(UsageError, match="no champion before"):
        rollback(pair.mine)
    with pytest.raises(GateError, match=f"no champion, and the champion is {pair.two.version}"):
        promote(pair.mine, pair.one.version)
    candidate(pair.mine, "one", before=pair.two.digest)
    approved(pair.mine, monkeypatch, pair.one.version)
    assert promote(pair.mine, pair.one.version).before == pair.two.digest
    assert champion(known_entries(pair.mine.root)) == pair.one.digest


def test_who_sees_the_tie_settles_it_for_the_other_one_too(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen() -> None:
        """The other one's entry knows of ours, and it has not looked again."""
        subject = {"digest": pair.two.digest}
        promoted = append(pair.mine.root, Draft("promote", "done", {"digest": pair.one.digest}),
                          copies=open_tracker(pair.mine))  # fmt: skip
        assert promoted.id in known_entries(pair.mine.root)
        append(pair.other.root, Draft("promote", "done", subject), copies=open_tracker(pair.other))

    at_once(monkeypatch, unseen)
    made = promote(pair.mine, pair.one.version)
    assert made.digest == pair.one.digest
    assert open_tracker(pair.other).alias(CHAMPION) == pair.one
    assert champion(entries(pair.other)) == pair.one.digest
    assert pair.two.digest not in champions(entries(pair.other))
    left = [e for e in lasting(entries(pair.other)) if e.subject.get("yields")]
    assert {e.subject["digest"] for e in left} >= {pair.two.digest}
