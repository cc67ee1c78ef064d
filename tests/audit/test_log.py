"""The audit log's file: what one entry is, many processes at once, kills, and merges."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_logs import LOG, Shelf, git, note, two_branches
from mlops_cli.audit.entry import Draft, parse, seal
from mlops_cli.audit.graph import champion, champions, deployed_on, heads, in_order
from mlops_cli.audit.log import append, known_entries, pull, read_log, repair
from mlops_cli.audit.takeover import HISTORY

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
texts = st.text(max_size=40)


@given(st.dictionaries(texts, texts, max_size=4), texts, texts, st.lists(texts, max_size=3))
def test_a_line_is_canonical_json_and_its_id_the_digest_of_the_rest(
    subject: dict[str, str], reason: str, actor: str, parents: list[str]
) -> None:
    draft = Draft("register", "refused", subject, reason, {"bundle": "a" * 64})
    line = seal(draft, parents=tuple(parents), time=NOON, actor=actor).line
    content = json.loads(line)
    assert json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == line
    own = content.pop("id")
    rest = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert own == hashlib.sha256(rest.encode()).hexdigest()
    assert content["time"] == "2026-11-29T12:00:00Z"
    assert content["signature"] is None
    assert parse(line.encode()).line == line


def test_an_entry_holds_no_secret_and_no_novel(tmp_path: Path) -> None:
    reason = "https://bob:hunter2pw@mlflow.example.org did not answer " + "x" * 2000
    append(tmp_path, Draft("deploy", "failed", {"target": "local"}, reason), copies=None)
    text = (tmp_path / LOG).read_text()
    assert "hunter2pw" not in text
    assert len(text) < 1500


def test_each_entry_names_all_that_had_no_child(tmp_path: Path) -> None:
    one = note(tmp_path)
    two = note(tmp_path)
    assert (one.parents, two.parents) == ((), (one.id,))
    assert heads(read_log(tmp_path).entries) == (two.id,)


def test_the_actor_is_gits_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ann Example")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ann@example.org")
    assert note(tmp_path).actor == "Ann Example <ann@example.org>"
    monkeypatch.setenv("PATH", "")  # no git here
    monkeypatch.setenv("LOGNAME", "ann")
    assert note(tmp_path).actor == "ann"


def _twenty(root: str, number: int) -> None:
    for _ in range(3):
        note(Path(root), f"target-{number}")


def test_twenty_processes_append_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_twenty, args=(str(tmp_path), n)) for n in range(20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    log = read_log(tmp_path)
    assert log.faults == ()
    assert len(log.entries) == 60
    assert deployed_on(log.entries) == sorted(f"target-{n}" for n in range(20))
    assert len(heads(log.entries)) == 1
    assert len((tmp_path / LOG).read_bytes().splitlines()) == 60


def test_killed_at_any_byte_the_log_is_whole_and_the_next_entry_mends_it(tmp_path: Path) -> None:
    first = note(tmp_path)
    whole = (tmp_path / LOG).read_bytes()
    second = note(tmp_path)
    text = (tmp_path / LOG).read_bytes()
    for cut in range(len(whole), len(text) + 1):
        (tmp_path / LOG).write_bytes(text[:cut])
        log = read_log(tmp_path)
        assert log.faults == ()
        done = cut >= len(text) - 1  # only the newline may be missing
        assert set(log.entries) == ({first.id, second.id} if done else {first.id})
    for cut in (len(whole) + 10, len(text) - 1):
        (tmp_path / LOG).write_bytes(text[:cut])
        third = note(tmp_path)
        log = read_log(tmp_path)
        assert (log.faults, third.id in log.entries) == ((), True)
        assert third.parents == ((second if cut == len(text) - 1 else first).id,)


def test_the_registry_gets_every_line_and_gives_what_the_file_lacks(tmp_path: Path) -> None:
    shelf = Shelf()
    here, there = tmp_path / "here", tmp_path / "there"
    one = note(here, "local", shelf)
    shelf.away = True
    two = note(here, "docker", shelf)
    assert list(shelf.lines) == [one.id]
    shelf.away = False
    other = note(there, "kubernetes", shelf)
    assert other.parents == (one.id,)
    three = note(here, "local", shelf)
    assert set(three.parents) == {two.id, other.id}
    assert shelf.lines == {e.id: e.line for e in read_log(here).entries.values()}
    assert pull(there, shelf) == 2
    assert read_log(there).entries == read_log(here).entries


def test_what_the_registry_has_is_taken_in_only_if_it_is_whole(tmp_path: Path) -> None:
    shelf = Shelf()
    chain = [note(tmp_path / "other", "docker", shelf) for _ in range(2)]
    del shelf.lines[chain[0].id]
    shelf.lines["b" * 64] = chain[1].line[:-3]
    mine = note(tmp_path / "mine", "local", shelf)
    assert list(read_log(tmp_path / "mine").entries) == [mine.id]


def test_two_branches_are_joined_by_the_next_entry(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text(f"{LOG} merge=union -text\n")
    ours, theirs = two_branches(tmp_path)
    git(tmp_path, "merge", "-q", "side", "-m", "both")
    log = read_log(tmp_path)
    assert (log.faults, set(heads(log.entries))) == ((), {ours.id, theirs.id})
    assert set(note(tmp_path).parents) == {ours.id, theirs.id}


LINES = [
    {"time": "2026-11-01T10:00:00Z", "by": "ann@x.org", "host": "h", "action": "deploy",
     "target": "docker", "outcome": "done", "digest": "a" * 64, "url": "http://h:1",
     "reason": None},
    {"time": "2026-11-02T10:00:00Z", "by": "ann@x.org", "host": "h", "action": "deploy",
     "target": "local", "outcome": "failed", "digest": "b" * 64, "url": None, "reason": "no room"},
]  # fmt: skip


def older(root: Path) -> None:
    (root / "deployments").mkdir(parents=True)
    lines = [json.dumps(line) for line in LINES]
    (root / HISTORY).write_text("\n".join([lines[0], "<<<<<<< HEAD", lines[1]]) + "\n")


def test_an_earlier_releases_history_is_taken_over_once(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for root in (here, there):
        older(root)
        assert deployed_on(known_entries(root)) == ["docker"]
        assert not (root / LOG).exists()
    before = (here / HISTORY).read_bytes()
    for root in (here, there):
        note(root, root.name)
        note(root, root.name)
    ours, theirs = ((root / LOG).read_bytes().splitlines() for root in (here, there))
    assert ours[:2] == theirs[:2]
    assert len(ours) == len(theirs) == 4
    first, second, third = (json.loads(line) for line in ours[:3])
    assert (first["parents"], second["parents"]) == ([], [first["id"]])
    assert third["parents"] == [second["id"]]
    assert (first["time"], first["actor"]) == ("2026-11-01T10:00:00Z", "ann@x.org")
    assert (second["outcome"], second["reason"]) == ("failed", "no room")
    assert (here / HISTORY).read_bytes() == before
    assert read_log(here).faults == ()
    assert deployed_on(known_entries(here)) == ["docker", "here"]


def test_the_last_champion_and_all_of_them(tmp_path: Path) -> None:
    assert champion({}) is None
    for outcome, digest, before in (
        ("done", "a", None),
        ("refused", "b", "a"),
        ("done", "c", "a"),
    ):
        subject = {"digest": digest} | ({"before": before} if before else {})
        append(tmp_path, Draft("register", outcome, subject), copies=None)
    entries = read_log(tmp_path).entries
    assert champion(entries) == "c"
    assert champions(entries) == {"a", "c"}
    shuffled = dict(reversed(entries.items()))
    assert [e.subject["digest"] for e in in_order(shuffled)] == ["a", "b", "c"]


def test_where_something_may_be_deployed(tmp_path: Path) -> None:
    def told(action: str, target: str, outcome: str) -> list[str]:
        append(tmp_path, Draft(action, outcome, {"target": target}), copies=None)
        return deployed_on(known_entries(tmp_path))

    assert told("deploy", "local", "done") == ["local"]
    assert told("deploy", "kubernetes", "failed") == ["local"]
    assert told("deploy", "docker", "interrupted") == ["docker", "local"]
    assert told("deploy", "local", "failed") == ["docker", "local"], "what was there answers still"
    assert told("stop", "docker", "done") == ["local"]


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "governance").write_text("a file")
    else:
        (tmp_path / "governance").mkdir(mode=0o500)
    with pytest.raises(OSError, match="governance"):
        note(tmp_path)


@pytest.mark.parametrize("style", ["merge", "diff3"])
def test_marks_of_a_merge_are_resolved_by_the_lines_of_both_sides(
    tmp_path: Path, style: str
) -> None:
    ours, theirs = two_branches(tmp_path)
    git(tmp_path, "config", "merge.conflictstyle", style)
    with pytest.raises(subprocess.CalledProcessError):  # a hosting service ignores .gitattributes
        git(tmp_path, "merge", "-q", "side", "-m", "both")
    found = read_log(tmp_path)
    assert all("mlops audit --repair" in fault for fault in found.faults)
    assert len(found.faults) == (3 if style == "merge" else 4)
    assert repair(tmp_path) == len(found.faults)
    log = read_log(tmp_path)
    assert (log.faults, set(heads(log.entries))) == ((), {ours.id, theirs.id})
    assert repair(tmp_path) == 0


def test_repair_hides_no_fault(tmp_path: Path) -> None:
    note(tmp_path)
    text = (tmp_path / LOG).read_bytes()
    (tmp_path / LOG).write_bytes(b"<<<<<<< a\n" + text.replace(b"local", b"loyal") + b"=======\n")
    assert repair(tmp_path) == 2
    assert len(read_log(tmp_path).faults) == 1


def _raise(error: Exception) -> None:
    raise error


def test_where_nothing_can_be_written_the_registry_alone_gets_the_entry(tmp_path: Path) -> None:
    shelf = Shelf()
    first = note(tmp_path, "local", shelf)
    (tmp_path / ".mlops/audit.lock").unlink()
    (tmp_path / ".mlops/audit.lock").mkdir()  # a superuser may write what is read-only
    error = IsADirectoryError(errno.EROFS, "read-only")
    with pytest.raises(OSError, match=r"audit\.lock"):
        note(tmp_path, "docker", shelf)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlops_cli.audit.log.locked", lambda *_, **__: _raise(error))
        second = note(tmp_path, "docker", shelf)
        with pytest.raises(OSError, match="read-only"):
            note(tmp_path, "docker")
    assert (second.parents, list(shelf.lines)) == ((first.id,), [first.id, second.id])
    assert len((tmp_path / LOG).read_bytes().splitlines()) == 1


def test_a_clock_that_was_set_back_changes_no_order(tmp_path: Path) -> None:
    later = append(tmp_path, Draft("deploy", "done", {"target": "local"}), copies=None,
                   clock=lambda: NOON)  # fmt: skip
    stop = append(tmp_path, Draft("stop", "done", {"target": "local"}), copies=None,
                  clock=lambda: NOON.replace(year=2020))  # fmt: skip
    log = read_log(tmp_path)
    assert [e.id for e in in_order(log.entries)] == [later.id, stop.id]
    assert (log.faults, deployed_on(log.entries)) == ((), [])
