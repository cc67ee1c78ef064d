"""Where something was deployed and not stopped since, by the history."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.audit.history import HISTORY, Event, deployed_on, record


def test_what_was_deployed_and_not_stopped_is_named(tmp_path: Path) -> None:
    assert deployed_on(tmp_path) == []
    record(tmp_path, Event("deploy", "local", "done"))
    record(tmp_path, Event("deploy", "docker", "done"))
    record(tmp_path, Event("deploy", "kubernetes", "failed"))
    assert deployed_on(tmp_path) == ["docker", "local"]
    record(tmp_path, Event("stop", "docker", "done"))
    record(tmp_path, Event("deploy", "local", "failed"))
    assert deployed_on(tmp_path) == ["local"], "what answered before a failure answers still"
    record(tmp_path, Event("deploy", "kubernetes", "interrupted"))
    assert deployed_on(tmp_path) == ["kubernetes", "local"], "it may have been done already"


def test_marks_of_a_bad_merge_are_passed_over(tmp_path: Path) -> None:
    record(tmp_path, Event("deploy", "docker", "done"))
    with (tmp_path / HISTORY).open("a") as file:
        file.write("<<<<<<< HEAD\n")
    assert deployed_on(tmp_path) == ["docker"]
