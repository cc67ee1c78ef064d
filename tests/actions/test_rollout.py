"""The command rollout on this machine: up by itself, back by hand, and what may come between."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import rolling
from mlops_cli.actions.audit import audit_log
from mlops_cli.actions.deploy import How, deploy, plan
from mlops_cli.actions.rollback import rollback
from mlops_cli.actions.rollout import rollout
from mlops_cli.actions.rollout_steps import Found
from mlops_cli.actions.status import status
from mlops_cli.audit.graph import champion
from mlops_cli.audit.live import live
from mlops_cli.audit.log import known_entries
from mlops_cli.cli.rendering import render_audit
from mlops_cli.errors import GateError, InconclusiveError, UsageError
from mlops_cli.governance.withdrawal import standing_champion
from mlops_cli.targets import open_target
from mlops_cli.targets.base import Counted, KeepsRollout
from mlops_cli.tracking import open_tracker
from mlops_cli.tracking.base import WITHDRAWN
from rolling import Pair, canary


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with rolling.pair(tmp_path, canary()) as made:
        yield made


def test_up_by_itself_and_each_step_is_told(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    project, old, new = pair.project, pair.old, pair.new
    assert pair.status().state == "none"
    assert [c.kind for c in plan(project).changes] == ["canary"]
    begun = deploy(project)
    assert (begun.version, begun.beside, begun.weight) == (new.version, old.version, 40)
    assert deploy(project).weight == 40
    found = pair.status()
    assert (found.state, found.weight, found.step) == ("running", 40, 0)
    assert (found.champion, found.candidate) == (old.version, new.version)
    pair.ask(5)
    before = pair.file().read_bytes(), len(pair.entries())
    assert not pair.tick().moved
    assert (pair.file().read_bytes(), len(pair.entries())) == before
    assert set(pair.ask(200)) == {old.version, new.version}
    assert standing_champion(project, open_tracker(project)).digest == old.digest
    shown = status(project).deployments[0].rollout
    assert shown is not None
    assert (shown.version, shown.weight) == (new.version, 40)
    assert [(x.version, x.weight) for x in live(known_entries(project.root))] == [
        (old.version, 60), (new.version, 40),
    ]  # fmt: skip
    time.sleep(1)
    done = pair.tick()
    assert (done.state, done.weight, done.moved) == ("done", 100, True)
    assert pair.ask(50) == {new.version: 50}
    assert [e.subject["weight"] for e in pair.entries()] == ["40", "100"]
    assert champion(known_entries(project.root)) == new.digest == pair.champion()
    assert not pair.tick().moved
    render_audit(audit_log(project))
    assert f"rollout {new.version} on local at 40 % done" in capsys.readouterr().out
    with pytest.raises(UsageError, match="is done"):
        rollout(project, "abort")


def test_it_is_held_to_what_was_before_it_and_counts_outlive_who_counted(pair: Pair) -> None:
    pair.ask(60)
    deploy(pair.project)
    document = json.loads(pair.file().read_bytes())
    assert document["state"]["before"]["requests"] == 60
    pair.ask(5)
    pair.tick()
    _kill_server(pair.project.root)
    deadline = time.monotonic() + 30
    while not _counted(pair):
        assert time.monotonic() < deadline
    pair.ask(5)
    judged = pair.tick().judge
    assert judged is not None
    assert sum(arm["requests"] for arm in judged.arms.values()) == 10


def _kill_server(root: Path) -> None:
    """The service's own process; its supervisor starts another."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inside = (process / "cwd").readlink().is_relative_to(root)
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if inside and b"mlops_cli.serving\0" in command:
            os.kill(int(process.name), signal.SIGKILL)


def _counted(pair: Pair) -> bool:
    """Whether a service that started anew answers."""
    place = open_target("local", pair.project)
    assert isinstance(place, KeepsRollout)
    found = place.counted()
    return bool(found) and not sum(t.requests for c in found for t in c.tallies)


def test_an_abort_withdraws_it_and_only_again_takes_it(pair: Pair) -> None:
    project, old, new = pair.project, pair.old, pair.new
    deploy(project)
    found = rollout(project, "abort", reason="slow")
    assert (found.state, found.weight, found.why) == ("rolled_back", 0, ("slow",))
    assert pair.ask(50) == {old.version: 50}
    assert pair.champion() == old.digest == champion(known_entries(project.root))
    assert pair.tags()[WITHDRAWN] == "in a rollout: slow"
    with pytest.raises(UsageError, match="was withdrawn: in a rollout: slow"):
        deploy(project, version=new.version)
    assert deploy(project, version=new.version, how=How(again=True)).weight == 40
    assert WITHDRAWN not in pair.tags()
    rollout(project, "promote")
    assert pair.ask(30) == {new.version: 30}
    assert pair.champion() == old.digest  # of a version that is named the alias stays


def test_one_over_another_is_refused_and_a_rollback_ends_it(pair: Pair) -> None:
    project, old = pair.project, pair.old
    deploy(project)
    with pytest.raises(UsageError, match=f"{pair.new.version} is being rolled out"):
        deploy(project, version=old.version)
    found = rollback(project, reason="complaints")
    assert (found.digest, pair.status().state) == (old.digest, "rolled_back")
    assert pair.ask(30) == {old.version: 30}
    assert pair.champion() == old.digest
    assert [e.subject["state"] for e in pair.entries()] == ["running", "rolled_back"]


def test_a_rollback_beside_a_named_candidate_goes_behind_no_champion(pair: Pair) -> None:
    project, old, new = pair.project, pair.old, pair.new
    deploy(project)
    rollout(project, "abort", reason="slow")
    deploy(project, version=new.version, how=How(again=True))
    with pytest.raises(UsageError, match=f"{new.version} is being rolled out on local") as found:
        rollback(project)
    assert "mlops rollout abort --target local" in str(found.value.hint)
    assert (pair.champion(), pair.status().state) == (old.digest, "running")


def test_a_weight_that_was_changed_by_hand_is_put_back(pair: Pair) -> None:
    deploy(pair.project)
    document = json.loads(pair.file().read_bytes())
    document["traffic"]["percent"], document["generation"] = 100, 2
    pair.file().write_text(json.dumps(document))
    pair.tick()
    assert 0 < pair.ask(200)[pair.new.version] < 140
    last = pair.entries()[-1]
    assert (last.subject["weight"], last.subject["state"]) == ("40", "running")
    assert last.reason is not None
    assert "changed by hand (100 % where the rollout has 40 %)" in last.reason


@pytest.mark.parametrize("left", ["", "no JSON", None])
def test_a_document_that_is_gone_comes_back_from_what_obeys_it(
    pair: Pair, left: str | None
) -> None:
    deploy(pair.project)
    salt = pair.status().salt
    pair.file().unlink() if left is None else pair.file().write_text(left)
    assert pair.tick().salt == salt
    assert json.loads(pair.file().read_bytes())["traffic"]["percent"] == 40
    assert pair.entries()[-1].subject["weight"] == "40"


def test_one_clock_that_is_minutes_off_is_not_gone_by() -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    for off, several in itertools.product((-7, 7), (2, 3, 4, 5)):
        clocks = [now + timedelta(minutes=off if i == 0 else 0) for i in range(several)]
        counted = tuple(Counted(str(i), clock, None, ()) for i, clock in enumerate(clocks))
        told = Found(None, 1, None, counted=counted).now
        assert told == (min(clocks) if several == 2 else now)  # a step is never the shorter for it


def test_paused_it_stays_until_somebody_resumes_it(pair: Pair) -> None:
    deploy(pair.project)
    assert rollout(pair.project, "pause").state == "paused"
    with pytest.raises(UsageError, match="is paused already"):
        rollout(pair.project, "pause")
    pair.ask(200)
    time.sleep(1)
    assert pair.tick().state == "paused"
    assert rollout(pair.project, "resume").state == "running"
    assert pair.tick().state == "done"


def test_without_traffic_nothing_moves(pair: Pair) -> None:
    deploy(pair.project)
    time.sleep(1)
    found = pair.tick()
    assert (found.state, found.weight, found.moved) == ("running", 40, False)
    assert found.judge is not None
    assert found.judge.reasons
    assert found.judge.arms["candidate"]["requests"] == 0


def test_what_ends_takes_the_rollout_along(pair: Pair) -> None:
    deploy(pair.project)
    deploy(pair.project, stop=True)
    assert pair.status().state == "none"
    assert deploy(pair.project).weight is None  # nothing answers: all at once
    assert pair.ask(20) == {pair.new.version: 20}
    for what in ("promote", "abort", "pause", "resume"):
        with pytest.raises(UsageError, match="there is no rollout"):
            rollout(pair.project, what)  # type: ignore[arg-type]  # of the list above


def test_waited_for_it_ends_or_says_why_not(tmp_path: Path) -> None:
    judge = {"min_requests": 10, "rules": rolling.RULES, "max_time": "2s"}
    with rolling.pair(tmp_path, canary(judge=judge)) as pair:
        with pytest.raises(InconclusiveError, match="nothing is decided after 2s"):
            deploy(pair.project, how=How(wait=True))
        assert pair.status().weight == 40
        rollout(pair.project, "abort", reason="no traffic")
        with pytest.raises(GateError, match="no traffic"):
            _wait(pair)


def _wait(pair: Pair) -> None:
    """What `deploy --wait` does when somebody else has aborted it."""
    from mlops_cli.actions.rollout import wait, work_of

    work = work_of(pair.project, open_target("local", pair.project), "local")
    assert work is not None
    wait(work)


def test_blue_green_goes_back_at_once_while_the_old_one_is_kept(tmp_path: Path) -> None:
    with rolling.pair(tmp_path, canary(strategy="blue_green", hold="1h")) as pair:
        deploy(pair.project)
        assert pair.ask(30) == {pair.old.version: 30}
        assert rollout(pair.project, "promote").state == "done"
        assert pair.ask(30) == {pair.new.version: 30}
        assert not pair.tick().moved
        found = rollout(pair.project, "abort", reason="wrong colour")
        assert (found.state, pair.champion()) == ("rolled_back", pair.old.digest)
        assert pair.ask(30) == {pair.old.version: 30}
        assert champion(known_entries(pair.project.root)) == pair.old.digest
