"""The command rollback: back in seconds, from a folder without data, and on again by promote."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_cli.actions.deploy import deploy
from mlops_cli.actions.promote import promote
from mlops_cli.actions.rollback import rollback
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champion, reigns
from mlops_cli.audit.log import append, known_entries
from mlops_cli.config.project import Project
from mlops_cli.errors import EnvironmentFault, UsageError
from mlops_cli.targets import open_target
from mlops_cli.targets.local.target import LocalTarget
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, DEPRECATED, WITHDRAWN, ModelVersion
from trackers import crown, on_a_free_port


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with on_a_free_port(tmp_path) as made:
        yield made


def reign(project: Project, name: str, rows: int) -> ModelVersion:
    tracker = open_tracker(project)
    before = tracker.alias(CHAMPION)
    version = crown(project, name, rows)
    subject = {"digest": version.digest} | ({"before": before.digest} if before else {})
    append(project.root, Draft("register", "done", subject), copies=tracker)
    return version


def tags(project: Project, version: ModelVersion) -> set[str]:
    found = next(v for v in open_tracker(project).versions() if v.digest == version.digest)
    return {DEPRECATED, WITHDRAWN} & found.tags.keys()


def live(project: Project) -> str | None:
    running = open_target("local", project).status()
    return running.digest if running and running.healthy else None


def test_back_and_on_again(project: Project) -> None:
    old, middle, new = (reign(project, n, r) for n, r in (("a", 60), ("b", 80), ("c", 100)))
    deploy(project)
    assert live(project) == new.digest
    began = time.monotonic()
    found = rollback(project, reason="complaints")
    assert time.monotonic() - began < 30  # 10 s on a machine that does nothing else
    assert (found.digest, found.before) == (middle.digest, new.digest)
    assert [t.target for t in found.targets] == ["local"]
    assert live(project) == middle.digest
    assert (tags(project, new), tags(project, middle)) == ({DEPRECATED}, set())
    assert rollback(project).digest == old.digest  # what was taken back is never taken again
    with pytest.raises(UsageError, match="no champion before"):
        rollback(project)
    assert promote(project, new.version).before == old.digest
    assert tags(project, new) == set()
    assert open_tracker(project).alias(CHAMPION) == new
    assert rollback(project, to=middle.version).digest == middle.digest
    entries = known_entries(project.root)
    assert reigns(entries)[-4:] == [middle.digest, old.digest, new.digest, middle.digest]
    reasons = [e.reason for e in entries.values() if e.action == "rollback"]
    assert reasons == ["complaints", None, None]


def test_one_that_failed_on_a_target_is_finished_by_the_same_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = reign(project, "a", 60), reign(project, "b", 80)
    deploy(project)
    with monkeypatch.context() as away:

        def fail(*_: object, **__: object) -> None:
            raise EnvironmentFault("the disk is full")

        away.setattr(LocalTarget, "deploy", fail)
        with pytest.raises(EnvironmentFault, match="not brought to local: the disk is full"):
            rollback(project, reason="complaints")
    assert (live(project), open_tracker(project).alias(CHAMPION)) == (new.digest, old)
    assert rollback(project).digest == old.digest
    assert live(project) == old.digest
    entries = known_entries(project.root)
    assert [e.action for e in entries.values()].count("rollback") == 1
    assert champion(entries) == old.digest


def test_what_cannot_be_gone_back_to_is_refused_before_anything_moves(project: Project) -> None:
    with pytest.raises(UsageError, match="no champion"):
        rollback(project)
    old, new = reign(project, "a", 60), reign(project, "b", 80)
    for wrong, why in ((new.version, "is the champion"), ("0" * 12, "knows no version")):
        with pytest.raises(UsageError, match=why):
            rollback(project, to=wrong)
    tracker = open_tracker(project)
    tracker.tag(old, WITHDRAWN, "erased")
    with pytest.raises(UsageError, match="was withdrawn"):
        rollback(project, to=old.version)
    tracker.tag(old, WITHDRAWN, None)
    for file in (project.root / "mlartifacts").rglob("model.*"):
        file.unlink()
    with pytest.raises(EnvironmentFault, match="model"):
        rollback(project)
    assert open_tracker(project).alias(CHAMPION) == new
    assert not [e for e in known_entries(project.root).values() if e.action == "rollback"]
