"""What a card tells is what is recorded of the version, whatever a work tree says today."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

import projects
from approving import RULES, YAML, approved, be, candidate, commit
from mlops_cli.actions.approve import approve
from mlops_cli.actions.card import card
from mlops_cli.actions.promote import promote
from mlops_cli.audit.entry import Draft
from mlops_cli.audit.log import append
from mlops_cli.config.load import load_project
from mlops_cli.config.paths import AUDIT_LOG
from mlops_cli.config.project import Project
from mlops_cli.reports.card import model_card
from mlops_cli.reports.card_page import card_page


def test_approvals_are_told_as_they_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = RULES.replace("expert: [", "expert: ['github:frank', ")
    commit(project.root, YAML + roles)
    version = candidate(project, "one")
    be(monkeypatch, "a@x.org")
    approve(project, role="scientist", reason="sound")
    be(monkeypatch, "build@x.org")
    approve(project, role="expert", reviewer="github:frank")
    be(monkeypatch, "author@x.org")
    given = {"digest": version.digest, "role": "scientist"}
    append(project.root, Draft("approve", "done", given, None, {"inputs": "one"}), copies=None)
    found = card(project, version.version)
    assert (len(found.approvals), len(found.counted), found.missing) == (3, 2, ())
    text = unescape(model_card(found))
    assert "for github:frank as expert, without a signature that counts\n" in text
    assert [line for line in text.splitlines() if "counts for nothing" in line] == [
        line for line in text.splitlines() if "<author@" in line
    ]
    assert "Missing:" not in text
    candidate(project, "one", inputs="another table")
    (project.root / AUDIT_LOG).unlink()  # the registry has them all
    found = card(project, version.version)
    assert (len(found.approvals), found.counted) == (3, ())
    assert model_card(found).count("counts for nothing") == 3
    assert "Missing: scientist, expert." in model_card(found)


def test_target_and_table_are_those_of_the_version(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = candidate(project, "one")
    approved(project, monkeypatch)
    promote(project)
    text = (project.root / "mlops.yaml").read_text()
    text = text.replace("target: late", "target: never").replace("data.csv", "other.csv")
    (project.root / "mlops.yaml").write_text(text)
    found = card(load_project(project.root), version.version)
    bundle = project.root / "bundles/one"
    named = json.loads((bundle / "manifest.json").read_text())["target"]["name"]
    assert (found.model["target"], found.data["table"]) == (named, "data.csv")
    assert named != "never"


def test_metrics_of_an_import_are_of_no_hold_out(project: Project) -> None:
    version = candidate(project, "one")
    found = card(project, version.version)
    measured = replace(found, life=replace(found.life, metrics={"f1": 0.5}))
    assert "On the hold-out rows." in model_card(measured)
    told = model_card(replace(measured, imported=True))
    assert "On the data of its import, which it may have been fitted on." in told
    assert "hold-out" not in told


def test_the_card_has_the_evaluation_of_the_version_that_it_is_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = projects.copy(projects.finished("p"), tmp_path / "p")
    project = load_project(root)
    found = card(project)
    assert found.evaluation is not None
    main = found.evaluation.metrics[project.config.metric]
    text = (root / "reports/card.md").read_text(encoding="utf-8")
    assert text == model_card(found)
    assert f"{main.low:.4g} to {main.high:.4g}" in text
    assert "not computed" not in text
    assert "## What it goes by" in text
    said = json.loads((root / "reports/card.json").read_text(encoding="utf-8"))
    assert said["version"] == found.version
    assert said["evaluation"]["metrics"][project.config.metric]["value"] == main.value
    page = (root / "reports/card.html").read_text(encoding="utf-8")
    assert not re.findall(r"https?://|src=|url\(|@import|<script|<link", page)
    for told in (found.version, f"{main.low:.4g} to {main.high:.4g}", "Nobody has told."):
        assert told in page
    evil = replace(found, told={**found.told, "purpose": "<img src=x onerror=alert(1)>"})
    assert "<img" not in card_page(evil)
    assert "&lt;img src=x" in card_page(evil)
    file = root / "reports/evaluation.json"
    content = file.read_text()
    file.unlink()  # DVC may have linked it
    file.write_text(content.replace(found.evaluation.version, "0" * 64))
    later = card(project)
    assert later.evaluation is None
    assert "(slices) are not recorded" in model_card(later)
