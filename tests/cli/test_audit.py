"""mlops audit: a version's whole life, a moment, and what an auditor is given."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from command_line import Mlops

LOG = "governance/audit.jsonl"


def first(project: Path) -> dict[str, str]:
    subject: dict[str, str] = json.loads((project / LOG).read_text().splitlines()[0])["subject"]
    return subject


class Looker(HTMLParser):
    """Every tag, and every address that a page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_version_has_a_life(project: Path, mlops: Mlops) -> None:
    digest = first(project)["digest"]
    told = mlops(project, "audit", "--subject", digest[:12], "--verify", "--json", code=0).result
    life = told["subject"]
    assert (life["digest"], life["version"], life["number"]) == (digest, digest[:12], "1")
    assert set(life["evidence"]) >= {"data", "contracts", "decision"}
    assert [gate["verdict"] for gate in life["gates"]] == ["passed"] * len(life["gates"])
    assert life["run"]
    assert life["metrics"]
    assert [e["action"] for e in told["entries"]] == ["register"]
    shown = mlops(project, "audit", "--subject", digest[:12], code=0).out
    assert life["evidence"]["data"] in shown
    assert "no version" in mlops(project, "audit", "--subject", "champion", code=2).said
    assert "neither" in mlops(project, "audit", "--subject", "0" * 12, code=2).said


def test_a_moment_of_the_past(project: Path, mlops: Mlops) -> None:
    assert len(mlops(project, "audit", "--json").result["entries"]) == 1
    before = mlops(project, "audit", "--at", "2020-01-01", "--json", code=0).result
    assert (before["entries"], before["live"]) == ([], [])
    assert "is no time" in mlops(project, "audit", "--at", "soon", code=2).said


def test_an_auditor_gets_a_table_and_a_page_that_needs_nothing_else(
    project: Path, mlops: Mlops, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "=HYPERLINK(1) A&B")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "eve@example.org")
    (project / "governance/keys").mkdir()
    config = project / "mlops.yaml"
    config.write_text(config.read_text() + "serve: {keys: governance/keys/keys}\n")
    mlops(project, "keys", "add", "robot", code=0)
    rows = list(csv.DictReader(io.StringIO(mlops(project, "audit", "--format", "csv").out)))
    assert [row["action"] for row in rows] == ["register", "keys"]
    assert rows[1]["actor"].startswith("'=HYPERLINK(1)")
    assert json.loads(rows[1]["subject"])["key"] == "robot"
    assert rows[1]["parents"] == rows[0]["id"]
    page = mlops(project, "audit", "--verify", "--format", "html", code=0).out
    looked = Looker(page)
    assert ("script" in looked.tags, looked.addresses) == (False, [])
    assert "A&amp;B" in page
    assert "Verified" in page
    assert all(row["id"] in page for row in rows)
