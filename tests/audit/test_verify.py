"""Tampering is found: any byte, any line, any end, and a whole log written anew."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_logs import LOG, Shelf, commit, git, note, two_branches
from mlops_cli.audit.entry import Draft, seal
from mlops_cli.audit.log import read_log
from mlops_cli.audit.verify import verify

SEALED = seal(Draft("stop", "done"), parents=(), time=datetime(2026, 11, 29), actor="x")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shelf]:
    """A log of five entries that a registry has, too."""
    root, shelf = tmp_path_factory.mktemp("log"), Shelf()
    for n in range(5):
        note(root, f"target-{n}", shelf)
    return root, shelf


def faults(root: Path, shelf: Shelf) -> tuple[str, ...]:
    return verify(root, read_log(root), shelf).faults


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_byte_that_is_changed_is_found(
    kept: tuple[Path, Shelf], tmp_path: Path, data: st.DataObject
) -> None:
    root, shelf = kept
    text = bytearray((root / LOG).read_bytes())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] ^= data.draw(st.integers(1, 255))
    (tmp_path / "governance").mkdir(exist_ok=True)
    (tmp_path / LOG).write_bytes(text)
    assert faults(tmp_path, shelf)


@pytest.mark.parametrize("line", range(5))
def test_any_line_that_is_removed_is_found_by_name(
    kept: tuple[Path, Shelf], tmp_path: Path, line: int
) -> None:
    root, shelf = kept
    lines = (root / LOG).read_bytes().splitlines(keepends=True)
    removed = json.loads(lines.pop(line))["id"]
    (tmp_path / "governance").mkdir()
    (tmp_path / LOG).write_bytes(b"".join(lines))
    assert any(removed[:12] in fault for fault in faults(tmp_path, shelf))
    alone = verify(tmp_path, read_log(tmp_path), Shelf())
    assert bool(alone.faults) == (line < 4), "only a cut end needs an anchor"


def test_a_log_that_is_written_anew_is_found(kept: tuple[Path, Shelf], tmp_path: Path) -> None:
    _, shelf = kept
    for n in range(5):
        note(tmp_path, f"forged-{n}")
    assert len(faults(tmp_path, shelf)) == 5


def test_an_entry_of_another_history_is_found(kept: tuple[Path, Shelf], tmp_path: Path) -> None:
    root, shelf = kept
    other = [note(tmp_path, "elsewhere") for _ in range(2)][-1]
    text = (root / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(text + other.line.encode() + b"\n")
    assert any(other.parents[0][:12] in fault for fault in faults(tmp_path, shelf))


def test_a_copy_that_was_changed_is_found(tmp_path: Path) -> None:
    shelf = Shelf()
    entry = note(tmp_path, "local", shelf)
    shelf.lines[entry.id] = entry.line.replace("local", "other")
    found = verify(tmp_path, read_log(tmp_path), shelf)
    assert [(a.id, a.state) for a in found.anchors] == [(entry.id, "changed")]
    assert (found.verified, len(found.faults)) == (False, 1)


def test_an_entry_that_the_registry_lacks_is_no_fault(tmp_path: Path) -> None:
    shelf = Shelf()
    first = note(tmp_path, "local", shelf)
    note(tmp_path, "local")
    found = verify(tmp_path, read_log(tmp_path), shelf)
    assert (found.verified, found.faults) == (True, ())
    assert [(a.where, a.id, a.state) for a in found.anchors] == [("the registry", first.id, "ok")]


def test_without_an_anchor_nothing_is_sure(tmp_path: Path) -> None:
    shelf = Shelf()
    note(tmp_path, "local")
    assert verify(tmp_path, read_log(tmp_path), shelf).verified is None
    shelf.away = True
    found = verify(tmp_path, read_log(tmp_path), shelf)
    assert (found.verified, [a.state for a in found.anchors]) == (None, ["unreachable"])


def test_git_knows_every_line_of_every_committed_version(tmp_path: Path) -> None:
    project = tmp_path / "repository/project"
    project.mkdir(parents=True)
    git(tmp_path / "repository", "init", "-q", "-b", "main")
    (project / ".gitignore").write_text(".mlops/\n")
    shelf = Shelf()
    for target in ("first", "second"):
        note(project, target)
        commit(project)
    whole = (project / LOG).read_bytes()
    assert verify(project, read_log(project), shelf).verified is True
    (project / LOG).write_bytes(whole.splitlines(keepends=True)[0])
    for _ in range(2):
        found = verify(project, read_log(project), shelf)
        assert (found.verified, found.anchors[0].where) == (False, "git")
        commit(project, "cut")  # a committed cut is seen as well
    (project / LOG).unlink()
    assert len(faults(project, shelf)) == 2
    (project / LOG).write_bytes(whole)
    assert verify(project, read_log(project), shelf).verified is True


def test_lines_that_only_a_merge_brought_count(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text(f"{LOG} merge=union -text\n")
    _, theirs = two_branches(tmp_path)
    git(tmp_path, "merge", "-q", "side", "-m", "both")
    kept = [x for x in (tmp_path / LOG).read_bytes().splitlines() if theirs.id.encode() not in x]
    (tmp_path / LOG).write_bytes(b"\n".join(kept) + b"\n")
    assert any(theirs.id[:12] in fault for fault in faults(tmp_path, Shelf()))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "<<<<<<< HEAD",
        "[]",
        "null",
        '{"id":"a"}',
        "[" * 100_000,
        SEALED.line.replace(":", ": ", 1),
    ],
)
def test_a_line_that_is_no_entry_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    note(tmp_path)
    with (tmp_path / LOG).open("a") as file:
        file.write(f"{line}\n")
    assert any(fault.startswith("line 2: ") for fault in faults(tmp_path, Shelf()))
    note(tmp_path)
    assert len(read_log(tmp_path).entries) == 2
