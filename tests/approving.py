"""What the tests of approvals share: a project with rules, people, and a version that waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit_logs import git
from mlops_cli.actions.approve import approve
from mlops_cli.audit.entry import Draft, Entry
from mlops_cli.audit.log import append, every_entry
from mlops_cli.config.project import Project
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import CANDIDATE, ModelVersion
from tracking.conftest import make_bundle

RULES = """
register: {approvals: [scientist, expert]}
governance:
  roles: {scientist: [a@x.org, Both@x.org, author@x.org], expert: [b@x.org, both@x.org]}
"""
YAML = "project: demo\ntask: binary\ndata: {table: data.csv, target: late}\n"


def be(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", address)
        monkeypatch.setenv(f"GIT_{role}_EMAIL", address)


def commit(root: Path, text: str = YAML + RULES) -> str:
    (root / "mlops.yaml").write_text(text)
    git(root, "add", "mlops.yaml")
    git(root, "commit", "-qm", "work", "--allow-empty")
    return git(root, "rev-parse", "HEAD").strip()


def candidate(project: Project, name: str, *, before: str = "", inputs: str = "") -> ModelVersion:
    """A version that waits, as `mlops run` leaves one."""
    tracker, root = open_tracker(project), project.root
    version = tracker.register(make_bundle(root / "bundles" / name, name.encode()))
    tracker.set_alias(CANDIDATE, version, expected=tracker.alias(CANDIDATE))
    subject = {"digest": version.digest, "alias": CANDIDATE}
    subject |= {"before": before} if before else {}
    proof = {"inputs": inputs or name, "code": git(root, "rev-parse", "HEAD").strip()}
    append(root, Draft("register", "done", subject, None, proof), copies=tracker)
    return version


def approved(project: Project, monkeypatch: pytest.MonkeyPatch, version: str | None = None) -> None:
    for address, role in (("a@x.org", "scientist"), ("b@x.org", "expert")):
        be(monkeypatch, address)
        approve(project, version, role=role)
    be(monkeypatch, "author@x.org")


def entries(project: Project) -> dict[str, Entry]:
    return every_entry(project.root, open_tracker(project))
