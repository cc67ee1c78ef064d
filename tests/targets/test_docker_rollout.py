"""A rollout in a container, by the commands: withdrawn, and up to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import rolling
from command_line import Mlops
from mlops_cli._poll import wait_until
from rolling import Pair

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def pair(docker_engine: str, tmp_path: Path) -> Iterator[Pair]:
    with rolling.pair(tmp_path, rolling.canary(), target="docker") as made:
        yield made


def test_one_is_withdrawn_and_taken_again_it_goes_up(pair: Pair, mlops: Mlops) -> None:
    root, old, new = pair.project.root, pair.old.version, pair.new.version
    begun = mlops(root, "deploy", "--json", code=0).result
    assert (begun["version"], begun["beside"], begun["weight"]) == (new, old, 40)
    assert mlops(root, "deploy", "--json", code=0).result["weight"] == 40
    seen = pair.ask(200)
    assert set(seen) == {old, new}
    assert 40 < seen[new] < 120
    found = mlops(root, "rollout", "status", "--json", code=0).result
    assert found["judge"]["arms"]["candidate"]["requests"] == seen[new]
    mlops(root, "rollout", "abort", "--reason", "slow on Mondays", code=0)
    assert pair.ask(50) == {old: 50}
    assert pair.champion() == pair.old.digest
    assert "slow on Mondays" in pair.tags()["withdrawn"]
    refused = mlops(root, "deploy", "--version", new, code=2).said
    again = ("deploy", "--version", new, "--again")
    assert f"once more: mlops {' '.join(again)}" in refused
    mlops(root, *again, code=0)
    assert set(pair.ask(200)) == {old, new}

    def tick() -> str:
        return str(mlops(root, "rollout", "tick", "--json", code=0).result["state"])

    assert wait_until(lambda: tick() == "done", seconds=30, step=0.5)
    assert pair.ask(50) == {new: 50}
    running = mlops(root, "status", "--json", code=0).result["deployments"]
    assert [(d["target"], d["version"], d["healthy"]) for d in running] == [("docker", new, True)]
    weights = [e.subject["weight"] for e in pair.entries()]
    assert weights == ["40", "100", "40", "100"]
