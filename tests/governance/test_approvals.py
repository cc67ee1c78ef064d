"""Who may approve, what counts, and what a registration from other inputs does to it."""

from __future__ import annotations

import pytest

from approving import RULES, YAML, approved, be, candidate, commit, entries
from audit_logs import git
from mlops_cli.actions.approve import approve
from mlops_cli.actions.promote import promote
from mlops_cli.actions.reject import reject
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champion
from mlops_cli.audit.log import append, known_entries
from mlops_cli.config.project import Project
from mlops_cli.errors import ApprovalError, EnvironmentFault, UsageError
from mlops_cli.governance.approvals import REVIEWER, course_of, standing_of
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CHAMPION


def test_two_people_neither_the_author(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    version = candidate(project, "one")
    with pytest.raises(ApprovalError, match="2 approvals: scientist, expert"):
        promote(project)
    with pytest.raises(ApprovalError, match=r"author@x\.org registered it"):
        approve(project, role="scientist")
    be(monkeypatch, "stranger@x.org")
    with pytest.raises(ApprovalError, match=r"does not name stranger@x\.org as expert"):
        approve(project, role="expert")
    with pytest.raises(ApprovalError, match="nobody is asked to approve as king"):
        approve(project, role="king")
    be(monkeypatch, "BOTH@x.org")
    assert approve(project, role="scientist").missing == ("expert",)
    with pytest.raises(ApprovalError, match="one person fills one role"):
        approve(project, role="expert")
    with pytest.raises(ApprovalError, match="1 approval: expert"):
        promote(project)
    be(monkeypatch, "b@x.org")
    assert approve(project, version.version, role="expert", reason="sound").missing == ()
    made = promote(project)
    tracker = open_tracker(project)
    assert (made.digest, made.before, made.without) == (version.digest, None, ())
    assert tracker.alias(CHAMPION) == version
    known = known_entries(project.root)
    assert champion(known) == version.digest
    refused = [e for e in known.values() if e.outcome == "refused"]
    assert {e.action for e in refused} == {"approve"}
    assert len(refused) == 4
    assert promote(project, version.version).digest == version.digest  # nothing is left to do
    assert len(known_entries(project.root)) == len(known)


def test_a_person_who_could_fill_two_roles_does_not_block_the_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate(project, "one")
    for address in ("both@x.org", "a@x.org"):
        be(monkeypatch, address)
        approve(project, role="scientist")
    be(monkeypatch, "both@x.org")
    assert approve(project, role="expert").missing == ()


def test_who_wrote_what_a_stage_reads_may_not_approve(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(monkeypatch, "a@x.org")
    commit(project.root, YAML + RULES + "tune: {trials: 3}\n")
    git(project.root, "commit", "-q", "--amend", "-m", "both\n\nCo-authored-by: b <B@x.org>")
    be(monkeypatch, "author@x.org")
    one = candidate(project, "one")
    for writer, role in (("a@x.org", "scientist"), ("b@x.org", "expert")):
        be(monkeypatch, writer)
        with pytest.raises(ApprovalError, match=rf"{writer} wrote a part"):
            approve(project, role=role)
    promote(project, break_glass=True, reason="now")
    # Since the champion's commit nobody but the author of the next one wrote anything.
    be(monkeypatch, "author@x.org")
    commit(project.root, YAML + RULES + "tune: {trials: 4}\n")
    candidate(project, "two", before=one.digest)
    be(monkeypatch, "a@x.org")
    assert approve(project, role="scientist").missing == ("expert",)


def test_a_registration_from_other_inputs_voids_what_was_approved(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = candidate(project, "one")
    approved(project, monkeypatch)
    assert standing_of(project, entries(project), version.digest).missing == ()
    commit(project.root, YAML + RULES + "# nothing a stage reads\n")
    candidate(project, "one")
    assert standing_of(project, entries(project), version.digest).missing == ()
    candidate(project, "one", inputs="another contract")
    assert standing_of(project, entries(project), version.digest).missing == ("scientist", "expert")
    approved(project, monkeypatch)
    promote(project)
    candidate(project, "one", inputs="and yet another")
    assert standing_of(project, entries(project), version.digest).missing == ()


def test_a_rejected_version_goes_no_further(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = candidate(project, "one")
    approved(project, monkeypatch)
    with pytest.raises(UsageError, match="has a reason"):
        reject(project, version.version, reason=" ")
    assert reject(project, version.version, reason="biased").by == "author@x.org"
    with pytest.raises(UsageError, match="no version of demo waits"):
        promote(project)
    with pytest.raises(ApprovalError, match=r"rejected by author@x\.org: biased"):
        promote(project, version.version)
    be(monkeypatch, "a@x.org")
    with pytest.raises(ApprovalError, match=r"author@x\.org rejected it"):
        approve(project, version.version, role="scientist")
    candidate(project, "one")
    assert standing_of(project, entries(project), version.digest).missing == ("scientist", "expert")


def test_bad_names_and_what_is_lost(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("champion", "12", "0" * 12):
        with pytest.raises(UsageError, match="knows no" if name[0] == "0" else "is no version"):
            approve(project, name, role="scientist")
    gone = "f" * 64
    append(project.root, Draft("register", "done", {"digest": gone}), copies=None)
    with pytest.raises(EnvironmentFault, match="has lost the version ffffffffffff"):
        approve(project, gone[:12], role="scientist")
    candidate(project, "one")
    with pytest.raises(UsageError, match="in which role"):
        approve(project)
    shown = approve(project, show=True).review
    assert shown
    assert shown.barred["author@x.org"] == "registered it"
    be(monkeypatch, "")
    with pytest.raises(UsageError, match="git does not know who you are"):
        approve(project, role="scientist")


def test_a_reviewer_is_a_login_that_neither_the_author_nor_a_role_speaks_for(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = RULES.replace("expert: [", "expert: ['github:Frank', 'github:ann', ")
    be(monkeypatch, "7+Ann@users.noreply.github.com")
    commit(project.root, YAML + roles)
    be(monkeypatch, "author@x.org")
    one = candidate(project, "one")
    be(monkeypatch, "build@x.org")
    for bad in ("b@x.org", "github:", "Github:frank"):
        with pytest.raises(UsageError, match="a reviewer is named github:LOGIN"):
            approve(project, role="expert", reviewer=bad)
    with pytest.raises(ApprovalError, match=r"github:ann wrote a part"):
        approve(project, role="expert", reviewer="github:ANN")
    for writer, named in (("author@x.org", "author@x.org"), ("ann@users.noreply.github.com",
                                                             "github:ann")):  # fmt: skip
        be(monkeypatch, writer)
        with pytest.raises(ApprovalError, match=f"{named} wrote a part .* may not speak for"):
            approve(project, role="expert", reviewer="github:frank")
    be(monkeypatch, "b@x.org")
    with pytest.raises(ApprovalError, match=r"b@x\.org may not speak for github:frank"):
        approve(project, role="expert", reviewer="github:frank")
    forged = {"digest": one.digest, "role": "expert", REVIEWER: "b@x.org"}
    be(monkeypatch, "build@x.org")
    known = course_of(entries(project), one.digest).record
    assert known is not None
    append(project.root, Draft("approve", "done", forged, None, known.evidence), copies=None)
    assert standing_of(project, entries(project), one.digest).missing == ("scientist", "expert")
    made = approve(project, role="expert", reviewer="github:FRANK")
    assert [(a.role, a.by) for a in made.approvals] == [("expert", "github:frank")]


def test_the_address_that_github_gives_approves_as_the_login(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(project.root, YAML + RULES.replace("expert: [", "expert: ['github:frank', "))
    candidate(project, "one")
    be(monkeypatch, "123+Frank@users.noreply.github.com")
    assert approve(project, role="expert").approvals[0].by == "github:frank"
