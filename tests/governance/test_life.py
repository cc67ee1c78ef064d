"""What a version was made from is what its approvals are of, whatever was registered since."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from approving import approved, candidate, entries
from mlops_cli.actions.promote import promote
from mlops_cli.audit.entry import Draft, Outcome
from mlops_cli.audit.graph import in_order
from mlops_cli.audit.log import append
from mlops_cli.config.project import Project
from mlops_cli.governance.life import life_of
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CANDIDATE, ModelVersion


def told(project: Project, version: ModelVersion) -> Mapping[str, str]:
    tracker = open_tracker(project)
    return life_of(project, tracker, in_order(entries(project)), version.digest).evidence


def again(project: Project, version: ModelVersion, outcome: Outcome, inputs: str) -> None:
    subject = {"digest": version.digest, "alias": CANDIDATE}
    draft = Draft("register", outcome, subject, None, {"inputs": inputs})
    append(project.root, draft, copies=open_tracker(project))


def test_a_life_has_the_registration_that_counts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = candidate(project, "one")
    again(project, version, "refused", "refused since")
    assert told(project, version)["inputs"] == "one"
    again(project, version, "done", "two")  # voids what was approved, and is approved from now on
    assert told(project, version)["inputs"] == "two"
    approved(project, monkeypatch)
    promote(project)
    again(project, version, "done", "three")  # what was promoted stays what it was
    assert told(project, version)["inputs"] == "two"


def test_one_that_was_only_refused_has_what_was_refused(project: Project) -> None:
    version = candidate(project, "one")
    draft = Draft("register", "refused", {"digest": "f" * 64}, None, {"inputs": "bad"})
    append(project.root, draft, copies=open_tracker(project))
    tracker, log = open_tracker(project), in_order(entries(project))
    assert life_of(project, tracker, log, "f" * 12).evidence == {"inputs": "bad"}
    assert told(project, version)["inputs"] == "one"
