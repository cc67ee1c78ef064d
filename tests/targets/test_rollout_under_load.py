"""Rollouts on a cluster under load, by the commands: what befalls them costs no request.

`pytest -s` prints a line each: what happened, the router, how many requests, and how many failed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import rolling
from clusters import PORT, Load, gateway, kubectl, small
from command_line import mlops_process
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.predictor import open_predictor
from rolling import Pair

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]
# A command that ends the API server and brings it up again.
RESTART = os.environ.get("MLOPS_TEST_KUBERNETES_RESTART")
ROUTERS = ("process", "gateway")


@dataclass(frozen=True)
class Rolled:
    """A pair whose newer version earns its traffic on a cluster, asked at `url` all the while."""

    pair: Pair
    namespace: str
    router: str
    load: Load

    def mlops(self, *arguments: object) -> Any:
        """What a command tells."""
        return mlops_process(self.pair.project.root, *arguments, "--json", code=0).result

    def tick(self) -> Any:
        """One step at most."""
        return self.mlops("rollout", "tick")

    def kubectl(self, *command: str, given: str | None = None) -> str:
        """What kubectl prints."""
        return kubectl(*command, given=given, namespace=self.namespace)

    def pods(self) -> list[str]:
        """Those that are to serve."""
        selector = "--selector=app.kubernetes.io/managed-by=mlops"
        return self.kubectl("get", "pods", selector, "--output=name").split()

    @property
    def name(self) -> str:
        """Of the Deployment."""
        return self.pair.project.config.project

    def ends(self) -> bool:
        """Whether a tick ended it. Of a weight that was edited the sample ratio may tell, too."""
        state = self.tick()["state"]
        if state == "paused":
            self.mlops("rollout", "resume")
        return bool(state == "done")

    def stays_with(self, version: str) -> None:
        """Hold all the answers of some seconds to be this version's; a gateway hears of a change
        half a second later."""
        time.sleep(2)
        before = self.load.answers.copy()
        assert wait_until(
            lambda: self.load.answers[version] > before[version] + 100, seconds=60, step=0.1
        )
        assert set(self.load.answers - before) == {version}

    def told(self, text: str) -> None:
        """Hold an entry of the log to have said so."""
        assert any(text in (e.reason or "") for e in self.pair.entries()), self.pair.entries()


def pod_killed(rolled: Rolled) -> None:
    kill = "--grace-period=0", "--force", "--wait=false"
    rolled.kubectl("delete", rolled.pods()[0], *kill)


def node_drained(rolled: Rolled) -> None:
    """Its pods are evicted one by one, as their budget allows; then it is back."""
    node = kubectl("get", "nodes", "--output=name").split()[0].removeprefix("node/")
    ours = "--pod-selector=app.kubernetes.io/managed-by=mlops"
    options = (ours, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=120s")
    before = set(rolled.pods())
    drain = subprocess.Popen(["kubectl", "drain", node, *options], stdout=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: bool(before - set(rolled.pods())), seconds=60, step=0.5)
    finally:
        kubectl("uncordon", node)
    assert drain.wait() == 0
    assert before.isdisjoint(rolled.pods())


def api_server_restarted(_: Rolled) -> None:
    """Where it is known how."""
    if RESTART is not None:
        subprocess.run(shlex.split(RESTART), check=True, capture_output=True)


def config_map_deleted(rolled: Rolled) -> None:
    rolled.kubectl("delete", "configmap", f"{rolled.name}-rollout")
    assert rolled.mlops("rollout", "status")["state"] == "paused"
    rolled.tick()
    rolled.told("the rollout was gone from the target, and its servers knew it: kept again")


def weight_edited(rolled: Rolled) -> None:
    """By hand, where it stands: in the ConfigMap, or on the route."""
    if rolled.router == "gateway":
        route = json.loads(rolled.kubectl("get", f"httproute/{rolled.name}", "--output=json"))
        for backend, weight in zip(route["spec"]["rules"][0]["backendRefs"], (1, 9), strict=True):
            backend["weight"] = weight
        rolled.kubectl("replace", "--filename=-", given=json.dumps(route))
    else:
        kept = json.loads(rolled.kubectl("get", f"configmap/{rolled.name}-rollout", "-o", "json"))
        document = json.loads(kept["data"]["rollout.json"])
        document["traffic"]["percent"] = 90.0
        kept["data"]["rollout.json"] = json.dumps(document)
        rolled.kubectl("replace", "--filename=-", given=json.dumps(kept))
    rolled.tick()
    rolled.told("the traffic on kubernetes was changed by hand (90 % where the rollout has 40 %)")


def apart(pair: Pair) -> list[bytes]:
    """The events at which the two versions are furthest apart, one way."""
    found = []
    for event in pair.events():
        said = []
        for name in ("old", "new"):
            predictor = open_predictor(open_bundle(pair.project.root / name))
            said.append(float(predictor.numbers(predictor.encode([json.loads(event)]))[0]))
        found.append((said[1] - said[0], event))
    return [event for _, event in sorted(found)[-3:]]


@contextlib.contextmanager
def under_load(root: Path, namespace: str, router: str, **others: Any) -> Iterator[Rolled]:
    """The older version answers, on two pods."""
    host, routed = f"{namespace}.example", router == "gateway"
    config = small(namespace, 2).model_dump(mode="json", by_alias=True, exclude_none=True)
    if routed:
        config |= {"router": router, "gateway": gateway(host), "service": {"type": "ClusterIP"}}
    asked = rolling.canary(**others)
    with rolling.pair(root, asked, target="kubernetes", kubernetes=config) as pair:
        url = mlops_process(root, "status", "--json", code=0).result["deployments"][0]["url"]
        where = (f"http://127.0.0.1:{PORT}", host) if routed else (url, None)
        with Load(where[0], apart(pair), where[1]) as load:
            rolled = Rolled(pair, namespace, router, load)
            assert wait_until(lambda: load.answers[pair.old.version] > 20, seconds=30, step=0.1)
            load.answers.clear()
            yield rolled


def meets_it(rolled: Rolled) -> None:
    """Begin, and wait until the newer version answers."""
    rolled.mlops("deploy")
    new = rolled.pair.new.version
    assert wait_until(lambda: rolled.load.answers[new] > 20, seconds=60, step=0.1)


def count(rolled: Rolled, what: str, answers: Counter[str]) -> None:
    """Print what was asked and what failed, and hold that to none."""
    pair = rolled.pair
    lost = {k: n for k, n in answers.items() if k not in (pair.old.version, pair.new.version)}
    sys.stdout.write(
        f"\n| {what} | {rolled.router} | {answers.total():,} | {sum(lost.values())} |\n"
    )
    assert lost == {}


BEFALLS = (pod_killed, node_drained, api_server_restarted, config_map_deleted, weight_edited)


@pytest.mark.parametrize("router", ROUTERS)
def test_whatever_befalls_a_canary_it_goes_up_and_no_request_is_lost(
    router: str, namespace: str, tmp_path: Path
) -> None:
    with under_load(tmp_path, namespace, router) as rolled:
        meets_it(rolled)
        rolled.mlops("rollout", "pause")  # until all has befallen it
        for befalls in BEFALLS:
            before = rolled.load.answers.copy()
            befalls(rolled)
            time.sleep(5)  # what it leads to
            count(rolled, befalls.__name__, rolled.load.answers - before)
            assert rolled.mlops("rollout", "status")["weight"] == 40
        rolled.mlops("rollout", "resume")
        assert wait_until(rolled.ends, seconds=240, step=1)
        rolled.stays_with(rolled.pair.new.version)
    count(rolled, "all of it, from the first step to the end", rolled.load.answers)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_candidate_that_answers_otherwise_is_withdrawn_and_no_request_is_lost(
    router: str, namespace: str, tmp_path: Path
) -> None:
    rule = {"metric": "prediction_mean", "differs_by": 0.001, "then": "rollback"}
    judge = {"min_requests": 100, "rules": [rule]}
    with under_load(tmp_path, namespace, router, hold="1h", judge=judge) as rolled:
        meets_it(rolled)
        assert wait_until(lambda: rolled.tick()["state"] == "rolled_back", seconds=240, step=1)
        rolled.stays_with(rolled.pair.old.version)
        rolled.told("prediction_mean")
        assert rolled.pair.champion() == rolled.pair.old.digest
    count(rolled, "withdrawn", rolled.load.answers)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_rollback_while_it_runs_ends_it_and_no_request_is_lost(
    router: str, namespace: str, tmp_path: Path
) -> None:
    with under_load(tmp_path, namespace, router, hold="1h") as rolled:
        meets_it(rolled)
        rolled.mlops("rollback")
        assert rolled.mlops("rollout", "status")["state"] == "rolled_back"
        rolled.stays_with(rolled.pair.old.version)
        assert rolled.pair.champion() == rolled.pair.old.digest
    count(rolled, "rolled back while it runs", rolled.load.answers)


def test_a_route_switches_at_once_in_a_blue_green_and_back(namespace: str, tmp_path: Path) -> None:
    asked = {"strategy": "blue_green", "steps": [100], "hold": "1h"}
    with under_load(tmp_path, namespace, "gateway", **asked) as rolled:
        pair, answers = rolled.pair, rolled.load.answers
        assert rolled.mlops("deploy")["weight"] == 0
        assert not answers[pair.new.version]
        assert rolled.mlops("rollout", "promote")["state"] == "done"
        rolled.stays_with(pair.new.version)
        assert rolled.mlops("rollout", "abort")["state"] == "rolled_back"
        rolled.stays_with(pair.old.version)
    count(rolled, "blue_green, there and back", rolled.load.answers)


def test_a_candidate_whose_pods_are_gone_is_withdrawn(namespace: str, tmp_path: Path) -> None:
    """Nobody answers in its place: until a tick, its share is lost."""
    with under_load(tmp_path, namespace, "gateway", hold="1h") as rolled:
        meets_it(rolled)
        rolled.kubectl("delete", f"deployment/{rolled.name}-candidate")
        assert rolled.tick()["state"] == "rolled_back"
        rolled.told("the candidate's Deployment is gone")
        rolled.stays_with(rolled.pair.old.version)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_candidate_that_needs_more_memory_than_the_limit_begins_nothing(
    router: str, namespace: str, tmp_path: Path
) -> None:
    with under_load(tmp_path, namespace, router) as rolled:
        file = rolled.pair.project.root / "mlops.yaml"
        config = json.loads(file.read_text())
        amounts = {"cpu": "50m", "memory": "24Mi"}
        config["deploy"]["kubernetes"]["resources"] = {"requests": amounts, "limits": amounts}
        file.write_text(json.dumps(config))
        said = mlops_process(file.parent, "deploy", code=8).said
        assert "OOMKilled" in said, said
        assert rolled.mlops("rollout", "status")["state"] == "none"
        rolled.stays_with(rolled.pair.old.version)
        assert len(rolled.pods()) == 2
    count(rolled, "candidate beyond the memory limit", rolled.load.answers)
