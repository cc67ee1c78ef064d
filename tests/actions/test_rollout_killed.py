"""A rollout whose command is killed at each of its writes: one truth, told by the next tick."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

import rolling
from mlops_cli.actions import rollout_steps
from mlops_cli.actions.deploy import deploy
from mlops_cli.actions.rollout import rollout
from mlops_cli.audit import log
from mlops_cli.audit.graph import champion
from mlops_cli.audit.live import live
from mlops_cli.audit.log import known_entries
from mlops_cli.targets.local.target import LocalTarget
from mlops_cli.tracking.base import WITHDRAWN
from mlops_cli.tracking.cached import CachedTracker
from rolling import Pair, canary

KILLED = 9
Write = tuple[Any, str]
DOCUMENT: Write = (LocalTarget, "keep_rollout")
ALIAS: Write = (CachedTracker, "set_alias")
TAG: Write = (CachedTracker, "tag")
ENTRY: Write = (log, "_write")
ANCHOR: Write = (rollout_steps, "keep_anchor")
BRING: Write = (LocalTarget, "deploy")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with rolling.pair(tmp_path, canary(steps=[30, 60, 100], hold="1h")) as made:
        yield made


def killed(work: Callable[[], object], write: Write, nth: int, *, after: bool) -> bool:
    """Do the work in a process that dies before (or after) its nth such write; whether it died."""
    if (child := os.fork()) == 0:
        _die_at(write, nth, after=after)
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def _die_at(write: Write, nth: int, *, after: bool) -> None:
    where, name = write
    real, count = getattr(where, name), itertools.count(1)

    def dying(*args: Any, **how: Any) -> Any:
        last = next(count) == nth
        if last and not after:
            _die()
        found = real(*args, **how)
        if last:
            _die()
        return found

    setattr(where, name, dying)


def _die() -> NoReturn:
    os._exit(KILLED)


def done(pair: Pair, state: str) -> int:
    """How many entries tell that it came to this state."""
    found = [e for e in pair.entries() if e.outcome == "done"]
    return sum(e.subject["state"] == state for e in found)


def kills(*writes: tuple[Write, int]) -> list[Any]:
    """Before and after each, in their order: what stands before one stands after the last, too."""
    return [
        pytest.param(
            *(write, nth, after),
            id=f"{'after' if after else 'before'} {write[1]} {nth}",
            marks=() if after or number == 0 else pytest.mark.slow,
        )
        for number, (write, nth) in enumerate(writes)
        for after in (False, True)
    ]


@pytest.mark.parametrize(
    ("write", "nth", "after"),
    kills((DOCUMENT, 1), (ALIAS, 1), (TAG, 1), (ENTRY, 1), (ANCHOR, 1)),
)
def test_an_abort_is_done_whole_or_not_at_all(
    pair: Pair, write: Write, nth: int, after: bool
) -> None:
    deploy(pair.project)
    assert killed(lambda: rollout(pair.project, "abort", reason="slow"), write, nth, after=after)
    begun = write != DOCUMENT or after
    assert pair.status().state == ("rolled_back" if begun else "running")
    found = pair.tick()
    if not begun:
        assert (found.state, done(pair, "rolled_back")) == ("running", 0)
        return
    assert (found.state, found.why, done(pair, "rolled_back")) == ("rolled_back", ("slow",), 1)
    assert pair.champion() == pair.old.digest == champion(known_entries(pair.project.root))
    assert pair.tags()[WITHDRAWN] == "in a rollout: slow"
    assert pair.ask(20) == {pair.old.version: 20}
    before = pair.file().read_bytes(), len(pair.entries())
    pair.tick()
    assert (pair.file().read_bytes(), len(pair.entries())) == before


@pytest.mark.parametrize(
    ("write", "nth", "after"), kills((DOCUMENT, 1), (ENTRY, 1), (BRING, 1), (DOCUMENT, 2))
)
def test_an_end_is_done_whole_or_not_at_all(
    pair: Pair, write: Write, nth: int, after: bool
) -> None:
    deploy(pair.project)
    assert killed(lambda: rollout(pair.project, "promote"), write, nth, after=after)
    found = pair.tick()
    if (write, nth, after) == (DOCUMENT, 1, False):
        assert (found.state, found.weight, done(pair, "done")) == ("running", 30, 0)
        return
    assert (found.state, done(pair, "done")) == ("done", 1)
    assert pair.ask(20) == {pair.new.version: 20}
    answers = [(x.version, x.weight) for x in live(known_entries(pair.project.root))]
    assert answers == [(pair.new.version, 100)]
    assert (pair.tick().moved, pair.champion()) == (False, pair.new.digest)


@pytest.mark.parametrize(("write", "nth", "after"), kills((DOCUMENT, 1), (ENTRY, 1)))
def test_a_start_is_done_whole_or_not_at_all(
    pair: Pair, write: Write, nth: int, after: bool
) -> None:
    assert killed(lambda: deploy(pair.project), write, nth, after=after)
    found = pair.tick()
    if write == DOCUMENT and not after:
        assert (found.state, pair.ask(20)) == ("none", {pair.old.version: 20})
    else:
        assert (found.state, found.weight, done(pair, "running")) == ("running", 30, 1)
        assert 0 < pair.ask(100)[pair.new.version] < 70
    assert deploy(pair.project).weight == 30
