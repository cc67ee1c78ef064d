"""What the documents point at is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "mlops_cli"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = {path.name for path in SRC.iterdir() if path.is_dir()}


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_that_a_message_names_is_there() -> None:
    named = {
        match
        for path in SRC.rglob("*.py")
        for match in re.findall(r"docs/[\w/-]+\.(?:md|json|py)", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 3
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    "page",
    [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/architecture").glob("*.md"))],
    ids=lambda p: p.name,
)
def test_every_file_that_a_page_for_contributors_names_is_there(page: Path) -> None:
    missing = []
    for token in re.findall(r"`([\w./-]+)`", page.read_text(encoding="utf-8")):
        room = token.split("/")[0]
        if (
            "/" not in token
            or re.search("[A-Z]{4}", token)
            or room not in ROOMS | {"src", "tests", "docs"}
        ):
            continue
        if not any((base / token).exists() for base in (SRC, ROOT)):
            missing.append(token)
    assert missing == []


def test_every_finding_says_how_it_ends() -> None:
    """They are run by hand: here only that the shell reads them."""
    for script in sorted((ROOT / "findings").glob("*.sh")):
        subprocess.run(["bash", "-n", script], check=True)
