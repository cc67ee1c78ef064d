"""What was live, and when, as the log tells it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlops_cli.audit.entry import Action, Draft, Outcome
from mlops_cli.audit.live import live
from mlops_cli.audit.log import append, read_log

A, B = "a" * 64, "b" * 64


def hour(n: int) -> datetime:
    return datetime(2026, 11, 29, n, tzinfo=UTC)


def put(root: Path, n: int, action: Action, outcome: Outcome = "done", **subject: str) -> None:
    append(root, Draft(action, outcome, subject), copies=None, clock=lambda: hour(n))


def at(root: Path, n: int | None = None) -> list[tuple[str, str, float, str, str | None]]:
    found = live(read_log(root).entries, hour(n) if n is not None else None)
    return [(x.target, x.version[0], x.weight, x.since[11:13], x.until and x.until[11:13])
            for x in found]  # fmt: skip


def test_the_log_tells_who_was_live_when(tmp_path: Path) -> None:
    put(tmp_path, 1, "register", digest=A)
    put(tmp_path, 2, "deploy", target="local", digest=A)
    put(tmp_path, 3, "deploy", "failed", target="local", digest=B)
    put(tmp_path, 4, "deploy", target="docker", digest=A)
    put(tmp_path, 5, "rollout", target="local", digest=B, before=A, weight="25")
    put(tmp_path, 6, "rollback", digest=A, before=B)  # the intent, of no target
    put(tmp_path, 7, "deploy", target="local", digest=A)
    put(tmp_path, 8, "stop", target="docker")
    assert at(tmp_path, 1) == []
    assert at(tmp_path, 3) == [("local", "a", 100, "02", "05")]
    assert at(tmp_path, 4) == [("docker", "a", 100, "04", "08"), ("local", "a", 100, "02", "05")]
    halves = [("local", "a", 75, "05", "07"), ("local", "b", 25, "05", "07")]
    assert at(tmp_path, 6)[1:] == halves
    assert at(tmp_path) == [("local", "a", 100, "07", None)]


def test_a_clock_that_was_set_back_leaves_the_last_one_live(tmp_path: Path) -> None:
    put(tmp_path, 5, "deploy", target="local", digest=A)
    put(tmp_path, 2, "deploy", target="local", digest=B)
    assert [x[1] for x in at(tmp_path)] == ["b"]
    put(tmp_path, 6, "stop", target="local")
    assert at(tmp_path) == []
