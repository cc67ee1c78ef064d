"""Traffic between two versions: weights, tallies, and the switch over all workers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from itertools import pairwise

import bundles
from mlops_cli._poll import wait_until
from rollouts import Service, arm, candidates_of


def test_a_canary_meets_its_share_and_every_answer_is_counted_once(
    two: Service, binary: bundles.Sample, other: bundles.Sample
) -> None:
    two.weigh(30)
    versions = {"champion": two.champion.version, "candidate": two.candidate.version}
    samples = {two.champion.version: binary, two.candidate.version: other}
    seen: Counter[str] = Counter()
    for i in range(200):
        answer = two.predict(other.events[i % 180], x_request_id=f"r-{i}")
        assert answer["version"] == versions[arm(f"r-{i}", 30)]
        seen[answer["version"]] += 1
        if samples[answer["version"]] is other:
            wanted = bundles.prediction("binary", other.raw[i % 180])
            assert answer["predictions"][0]["label"] == wanted["label"]
    tallies = two.tallies()
    for name, version in versions.items():
        tally = tallies[0, name]
        assert (tally["requests"], tally["answered"], tally["errors"]) == (*[seen[version]] * 2, 0)
        assert 0 < sum(tally["latency"].values()) <= seen[version]
        assert 0 < tally["sum"] < seen[version]
    timed = [sum(tallies[0, name]["latency"].values()) for name in versions]
    assert timed[0] == timed[1]  # in the same company


def test_a_switch_is_one_over_all_workers_and_a_step_begins_new_tallies(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(0)
    event = other.events[5]
    assert {two.predict(event)["version"] for _ in range(20)} == {two.champion.version}
    two.weigh(100, step=1)
    assert {two.predict(event)["version"] for _ in range(20)} == {two.candidate.version}
    assert two.tallies()[1, "candidate"]["requests"] == 20
    assert two.tallies()[0, "champion"]["requests"] == 20
    assert two.put(None)[0] == 200
    assert {two.predict(event)["version"] for _ in range(20)} == {two.champion.version}
    assert two.tallies() == {}


def test_nobody_sees_the_old_version_after_the_new_one_while_the_switch_is_made(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(0)
    event, seen, stop = other.events[5], list[str](), threading.Event()

    def asking() -> None:
        while not stop.is_set():
            seen.append(two.predict(event)["version"])

    thread = threading.Thread(target=asking)
    thread.start()
    try:
        for step in range(1, 7):
            time.sleep(0.3)
            two.weigh(100 * (step % 2), step=step)
            time.sleep(0.3)
    finally:
        stop.set()
        thread.join()
    changes = sum(a != b for a, b in pairwise(seen))
    assert changes == 6, Counter(seen)


def test_of_two_changes_from_one_generation_the_second_is_refused(two: Service) -> None:
    two.weigh(10)
    document = two.document(20)
    assert two.put(document, after=1)[0] == 200
    status, said = two.put(two.document(30), after=1)
    assert status == 409
    assert "2" in said["error"]["message"]
    assert two.put({**two.document(30), "generation": 2})[0] == 409  # no lower one


def test_without_the_secret_there_is_no_such_page(two: Service) -> None:
    assert two.ask("GET", "/v1/admin/rollout")[0] == 404
    assert two.ask("PUT", "/v1/admin/rollout", {"document": None})[0] == 404


def test_a_candidate_that_is_not_what_the_document_says_changes_nothing(two: Service) -> None:
    two.weigh(10)
    status, said = two.put(two.document(20, candidate="0" * 64), after=1)
    assert status == 422
    assert "000000000000" in said["error"]["message"]
    assert two.predict({"origin": "JFK", "distance": 100})
    status, said = two.put(two.document("half"), after=1)
    assert status == 422
    assert two.put(two.document(20), after=1)[0] == 200


def test_the_process_of_the_candidate_goes_with_the_rollout(two: Service) -> None:
    two.weigh(10)
    assert candidates_of(two.process)
    assert two.put(None)[0] == 200
    assert wait_until(lambda: not candidates_of(two.process), seconds=10)
