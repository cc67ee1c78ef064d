"""What the log tells of rollouts: which goes on, who came last, and whose steps make a champion."""

from __future__ import annotations

from pathlib import Path

from mlops_cli.audit.entry import Draft
from mlops_cli.audit.graph import champion
from mlops_cli.audit.live import brought, rolling
from mlops_cli.audit.log import append, known_entries
from mlops_cli.governance.withdrawal import replaced_by

A, B = "a" * 64, "b" * 64


def enter(root: Path, action: str, **subject: str) -> None:
    draft = Draft(action, "done", subject)  # type: ignore[arg-type]  # one of them
    append(root, draft, copies=None)


def test_steps_move_traffic_and_only_a_way_back_the_champion(tmp_path: Path) -> None:
    enter(tmp_path, "promote", digest=A)
    enter(tmp_path, "deploy", digest=A, target="local")
    enter(tmp_path, "promote", digest=B, before=A)
    step = {"target": "local", "digest": B, "before": A, "weight": "20"}
    enter(tmp_path, "rollout", **step, state="running")
    entries = known_entries(tmp_path)
    assert (champion(entries), brought(entries)) == (B, {"local": A})
    assert (replaced_by(entries, B), replaced_by(entries, A)) == (A, None)
    enter(tmp_path, "rollout", **step, state="paused")
    assert replaced_by(known_entries(tmp_path), B) == A
    back = {"target": "local", "digest": A, "before": B, "weight": "100", "state": "rolled_back"}
    enter(tmp_path, "rollout", **back, alias="champion")
    entries = known_entries(tmp_path)
    assert (champion(entries), brought(entries), rolling(entries)) == (A, {"local": A}, {})


def test_a_rollout_of_a_version_that_was_named_crowns_nobody(tmp_path: Path) -> None:
    enter(tmp_path, "promote", digest=A)
    step = {"target": "local", "digest": B, "before": A}
    enter(tmp_path, "rollout", **step, weight="100", state="done")
    entries = known_entries(tmp_path)
    assert (champion(entries), brought(entries), rolling(entries)) == (A, {"local": B}, {})
    enter(tmp_path, "stop", target="local")
    assert rolling(known_entries(tmp_path)) == {}
