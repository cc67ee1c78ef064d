"""After a rollout: what came goes again where it is worse than what was; for a time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import rolling
from mlops_cli.actions.deploy import deploy
from mlops_cli.actions.rollout import rollout
from mlops_cli.audit.graph import champion
from mlops_cli.audit.log import known_entries
from mlops_cli.tracking.base import WITHDRAWN
from rolling import Pair, canary

MEAN = [{"metric": "prediction_mean", "differs_by": 0.000001}]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    watch = {"for": "30s", "rules": MEAN}
    with rolling.pair(tmp_path, canary(steps=[50, 100]), watch=watch) as made:
        deploy(made.project)
        made.ask(200)
        rollout(made.project, "promote")
        yield made


def test_what_is_surely_worse_than_before_goes_back_by_itself(pair: Pair) -> None:
    assert pair.ask(200) == {pair.new.version: 200}
    found = pair.tick()
    assert (found.state, found.moved) == ("rolled_back", True)
    assert found.why[0].startswith("prediction_mean")
    assert pair.ask(20) == {pair.old.version: 20}
    assert pair.champion() == pair.old.digest == champion(known_entries(pair.project.root))
    assert WITHDRAWN in pair.tags()
    assert pair.entries()[-1].subject["by"] == "judge"


def test_it_is_looked_at_for_its_time_and_no_longer(pair: Pair) -> None:
    assert json.loads(pair.file().read_bytes())["traffic"]["arm"] == "champion"
    before = pair.file().read_bytes()
    found = pair.tick()
    assert (found.state, found.moved, found.judge and found.judge.verdict) == (
        "done", False, "hold",
    )  # fmt: skip
    assert pair.file().read_bytes() == before
    document = json.loads(before)
    document["state"]["stepped"] = "2026-01-01T00:00:00Z"
    pair.file().write_text(json.dumps(document))
    time.sleep(0.1)
    pair.tick()
    assert json.loads(pair.file().read_bytes())["traffic"] is None
    assert pair.ask(200) == {pair.new.version: 200}
    assert (pair.tick().state, pair.champion()) == ("done", pair.new.digest)
