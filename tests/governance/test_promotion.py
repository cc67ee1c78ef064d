"""Whom the alias goes to: rules, broken glass, and who was compared with whom."""

from __future__ import annotations

import pytest

from approving import YAML, approved, be, candidate, commit, entries
from audit_logs import git
from mlops_cli.actions.approve import approve
from mlops_cli.actions.promote import promote
from mlops_cli.actions.reject import reject
from mlops_cli.actions.rollback import rollback
from mlops_cli.audit.graph import champion
from mlops_cli.audit.log import known_entries
from mlops_cli.config.load import load_project
from mlops_cli.config.project import Project
from mlops_cli.errors import ApprovalError, EnvironmentFault, GateError, UsageError
from mlops_cli.governance.approvals import course_of, hold, standing_of
from mlops_cli.governance.rules import rules_in_force
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION, DEPRECATED, PREVIOUS, WITHDRAWN, ModelVersion
from servers import free_port


def test_rules_are_those_of_the_main_line_and_of_the_last_promotion(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project.root
    version = candidate(project, "one")
    (root / "mlops.yaml").write_text(YAML)  # an edit that nobody has committed
    with pytest.raises(ApprovalError, match="lacks 2 approvals"):
        promote(load_project(root))
    git(root, "checkout", "-q", "-b", "mine")
    commit(root, f"{YAML}register: {{branch: mine}}\n")
    with pytest.raises(ApprovalError, match="lacks 2 approvals"):
        promote(load_project(root))
    git(root, "checkout", "-q", "main")
    approved(project, monkeypatch)
    promote(project)
    commit(root, YAML)  # a candidate that asks for nothing
    lax = load_project(root)
    candidate(lax, "two", before=version.digest)
    assert [r.approvals for r in rules_in_force(lax, entries(lax))] == [(), ("scientist", "expert")]
    with pytest.raises(ApprovalError, match="2 approvals"):
        promote(lax)
    be(monkeypatch, "a@x.org")
    assert approve(lax, role="scientist").missing == ("expert",)


def test_broken_glass_is_recorded_and_goes_live(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = candidate(project, "one")
    with pytest.raises(UsageError, match="needs a reason"):
        promote(project, break_glass=True)
    assert promote(project, break_glass=True, reason="fire").without == ("scientist", "expert")
    course = course_of(entries(project), version.digest)
    assert course.unapproved
    assert course.promoted
    assert (course.promoted.reason, course.promoted.subject["break_glass"]) == (
        "fire",
        "scientist, expert",
    )
    hold(project, open_tracker(project), version.digest)
    assert standing_of(project, entries(project), version.digest).missing == ("scientist", "expert")
    approved(project, monkeypatch, version.version)
    assert standing_of(project, entries(project), version.digest).missing == ()


def test_an_alias_that_was_moved_by_hand_approves_of_nothing(project: Project) -> None:
    version, tracker = candidate(project, "one"), open_tracker(project)
    tracker.set_alias(CHAMPION, version, expected=None)
    with pytest.raises(ApprovalError, match="lacks 2 approvals"):
        hold(project, tracker, version.digest)
    with pytest.raises(ApprovalError, match="lacks 2 approvals"):
        promote(project, version.version)


def test_a_version_is_compared_with_the_champion_that_it_replaces(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = candidate(project, "one")
    approved(project, monkeypatch)
    two = candidate(project, "two")
    approved(project, monkeypatch)
    promote(project, one.version)
    with pytest.raises(GateError, match=f"compared with no champion, and .* {one.version} now"):
        promote(project, two.version)
    candidate(project, "two", before=one.digest)
    assert promote(project).before == one.digest
    tracker = open_tracker(project)
    assert (tracker.alias(CHAMPION), tracker.alias(PREVIOUS)) == (two, one)
    assert promote(project, one.version).before == two.digest  # it was the champion before
    assert (tracker.alias(CHAMPION), tracker.alias(PREVIOUS)) == (one, two)


def test_a_registry_that_goes_away_in_the_middle_moved_nobody(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = candidate(project, "one")
    approved(project, monkeypatch)
    promote(project)
    two = candidate(project, "two", before=one.digest)
    approved(project, monkeypatch)
    kind = type(open_tracker(project))
    move = kind.set_alias

    def fail(self: object, name: str, *given: object, **named: object) -> None:
        if name == CHAMPION:
            raise EnvironmentFault("the registry is away")
        move(self, name, *given, **named)  # type: ignore[arg-type]  # as it was called

    with monkeypatch.context() as away:
        away.setattr(kind, "set_alias", fail)
        with pytest.raises(EnvironmentFault, match="is away"):
            promote(project)
    assert champion(known_entries(project.root)) == one.digest
    assert open_tracker(project).alias(CHAMPION) == one
    assert promote(project).digest == two.digest


def test_a_registry_that_is_away_is_not_one_where_nobody_waits(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no version of demo waits"):
        promote(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(EnvironmentFault, match="does not answer"):
        promote(load_project(project.root))


def reign(project: Project, monkeypatch: pytest.MonkeyPatch, *names: str) -> list[ModelVersion]:
    """Versions that were promoted one after another, each with its approvals."""
    made: list[ModelVersion] = []
    for name in names:
        version = candidate(project, name, before=made[-1].digest if made else "")
        approved(project, monkeypatch)
        promote(project)
        made.append(version)
    return made


def test_a_former_champion_that_was_rejected_does_not_come_back(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = reign(project, monkeypatch, "one", "two", "three")
    tracker = open_tracker(project)
    reject(project, two.version, reason="biased")
    tags = next(v.tags for v in tracker.versions() if v.digest == two.digest)
    assert tags[DEPRECATED] == "biased"
    with pytest.raises(ApprovalError, match=r"rejected by .* biased"):
        rollback(project, to=two.version)
    with pytest.raises(ApprovalError, match=r"rejected by .* biased") as refused:
        promote(project, two.version)
    assert f"mlops promote {two.version} --break-glass" in (refused.value.hint or "")
    tracker.tag(two, DEPRECATED, None)  # the log has it, whatever the registry says
    assert rollback(project).digest == one.digest
    promote(project, two.version, break_glass=True, reason="nothing else answers")
    assert course_of(entries(project), two.digest).rejected is None
    hold(project, tracker, two.digest)
    assert champion(known_entries(project.root)) == two.digest != three.digest


def test_what_was_withdrawn_is_promoted_by_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = reign(project, monkeypatch, "one", "two")
    tracker = open_tracker(project)
    tracker.tag(one, WITHDRAWN, "erased")
    for glass in (False, True):
        with pytest.raises(UsageError, match=f"{one.version} was withdrawn: erased"):
            promote(project, one.version, break_glass=glass, reason="now")
    with pytest.raises(UsageError, match="no champion before"):
        rollback(project)
    assert tracker.alias(CHAMPION) == two


def test_previous_is_what_a_rollback_would_take(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = reign(project, monkeypatch, "one", "two", "three")
    tracker = open_tracker(project)
    assert tracker.alias(PREVIOUS) == two
    rollback(project)
    assert (tracker.alias(CHAMPION), tracker.alias(PREVIOUS)) == (two, one)
