"""What a candidate, a worker or a file does wrong costs nobody an answer."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

import bundles
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import open_bundle
from rollouts import Service, Start, candidates_of


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A candidate has 0.2 s for an answer."""
    return {"LIMITS__TIMEOUT": "6s", "LOG__DIR": str(tmp_path / "log")}


def test_a_candidate_that_is_killed_costs_nobody_an_answer_and_is_replaced(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(100)
    event = other.events[5]
    before = candidates_of(two.process)
    assert all(Path(f"/proc/{p}/oom_score_adj").read_text() == "1000\n" for p in before)
    for process in before:
        os.kill(process, signal.SIGKILL)
    versions = [two.predict(event)["version"] for _ in range(40)]
    wait_until(lambda: two.predict(event)["version"] == two.candidate.version, seconds=20)
    wait_until(lambda: len(candidates_of(two.process)) == len(before), seconds=20)
    assert not set(before) & set(candidates_of(two.process))
    tally = two.tallies()[0, "candidate"]
    assert tally["errors"] >= versions.count(two.champion.version) > 0
    assert tally["requests"] == tally["errors"] + tally["answered"]
    assert two.tallies()[0, "champion"]["requests"] == 0  # it answered for the other


def test_the_log_has_the_candidates_failure_and_the_champions_answer(
    two: Service, tmp_path: Path, other: bundles.Sample
) -> None:
    two.weigh(100)
    for process in candidates_of(two.process):
        os.kill(process, signal.SIGSTOP)
    alone, several = two.predict(other.events[5]), two.predict(other.events[5:8])
    assert {alone["version"], several["version"]} == {two.champion.version}
    found: dict[str, list[Any]] = {alone["request_id"]: [], several["request_id"]: []}

    def read() -> bool:
        for lines in found.values():
            lines.clear()
        for file in (tmp_path / "log").glob("predictions-*"):
            for line in map(json.loads, file.read_bytes().splitlines()):
                found[line["request_id"]].append(line)
        return [len(lines) for lines in found.values()] == [2, 6]

    assert wait_until(read, seconds=10), found
    for lines in found.values():
        for line in lines:
            if line["variant"] == "candidate":
                assert (line["arm"], line["prediction"]) == ("candidate", None)
                assert line["error"].startswith("Candidate")
                assert line["version"] == two.candidate.version
            else:
                assert "arm" not in line
                assert line["prediction"]["probability"] >= 0
                assert line["version"] == two.champion.version
    assert two.tallies()[0, "candidate"]["errors"] == 2


def test_what_both_refuse_is_nobodys_error_also_where_the_candidate_is_down(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(100)
    for process in candidates_of(two.process):
        os.kill(process, signal.SIGKILL)
    with closing(HTTPConnection("127.0.0.1", two.port, timeout=20)) as connection:
        for event in ({"temp": "warm"}, other.events[5]) * 20:
            connection.request("POST", "/v1/predict", json.dumps(event))
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (200 if "origin" in event else 422)
    tally = two.tallies()[0, "candidate"]
    assert tally["requests"] == 20
    assert tally["errors"] > 0


def test_a_candidate_that_hangs_keeps_few_waiting_and_not_for_long(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(50)
    for process in candidates_of(two.process):
        os.kill(process, signal.SIGSTOP)
    taken = []
    for event in other.events[3:103]:
        begun = time.monotonic()
        two.predict(event)
        taken.append(time.monotonic() - begun)
    assert max(taken) < 2.0
    assert sum(seconds > 0.15 for seconds in taken) <= 8  # each process once, and its successor
    assert two.tallies()[0, "candidate"]["errors"] > 0


def test_a_shadow_that_hangs_is_felt_by_nobody(two: Service, other: bundles.Sample) -> None:
    two.weigh(100, mirror=True)
    for process in candidates_of(two.process):
        os.kill(process, signal.SIGSTOP)
    taken = []
    for event in other.events[3:153]:
        begun = time.monotonic()
        assert two.predict(event)["version"] == two.champion.version
        taken.append(time.monotonic() - begun)
    assert sorted(taken)[140] < 0.15
    champion, candidate = two.tallies()[0, "champion"], two.tallies()[0, "candidate"]
    assert (champion["answered"], champion["errors"]) == (150, 0)
    wait_until(lambda: two.tallies()[0, "candidate"]["errors"] > 0, seconds=5)
    assert candidate["dropped"] == 0


def test_a_worker_that_is_killed_takes_its_candidate_along_and_no_count(
    start: Start, other: bundles.Sample
) -> None:
    with start(2) as two:
        two.weigh(40)
        for event in other.events[3:103]:
            two.predict(event)
        before = two.tallies()
        text = Path(f"/proc/{two.process}/task/{two.process}/children").read_text()
        worker = int(text.split()[0])
        gone = candidates_of(worker)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: len(candidates_of(two.process)) == 2, seconds=20)
        wait_until(lambda: not any(Path(f"/proc/{p}").exists() for p in gone), seconds=5)
        assert not any(Path(f"/proc/{p}").exists() for p in gone)
        assert two.tallies() == before
        seen = [two.predict(e)["version"] for e in other.events[3:103]]
        assert 20 < seen.count(two.candidate.version) < 60
        after = two.tallies()
        total = sum(after[0, a]["requests"] for a in ("champion", "candidate"))
        assert total == 200


def test_a_service_that_starts_obeys_its_file_and_then_what_is_written_to_it(
    start: Start, tmp_path: Path, binary: bundles.Sample, other: bundles.Sample
) -> None:
    file, event = tmp_path / "rollout.json", other.events[5]
    planned = Service(0, 0, *(open_bundle(s.path) for s in (binary, other)))
    file.write_text(json.dumps(planned.document(100)))
    with start(2) as two:
        assert two.predict(event)["version"] == two.candidate.version
        two.generation = 1
        file.write_text("{")
        file.write_text(json.dumps({**two.document(0), "generation": 1}))  # no higher one
        time.sleep(2.5)
        assert two.predict(event)["version"] == two.candidate.version
        temporary = tmp_path / "next"
        temporary.write_text(json.dumps(two.document(0, step=1)))
        temporary.replace(file)
        wait_until(lambda: two.predict(event)["version"] == two.champion.version, seconds=10)
        assert {two.predict(event)["version"] for _ in range(20)} == {two.champion.version}
        file.unlink()
        time.sleep(2.5)
        assert (1, "champion") in two.tallies()


def test_a_file_that_is_no_rollout_or_of_another_model_starts_a_service_without(
    start: Start, tmp_path: Path, binary: bundles.Sample, other: bundles.Sample
) -> None:
    planned = Service(0, 0, *(open_bundle(s.path) for s in (other, binary)))
    for text in ("{", json.dumps(planned.document(100)), "null", '{"generation": 1}'):
        (tmp_path / "rollout.json").write_text(text)
        with start() as two:
            assert two.predict(other.events[5])["version"] == two.champion.version


def test_a_service_that_drains_answers_what_the_candidate_has(
    two: Service, other: bundles.Sample
) -> None:
    two.weigh(50)
    failed: list[Any] = []
    stop = threading.Event()
    served = 0

    def asking() -> None:
        nonlocal served
        while not stop.is_set():
            try:
                two.predict(other.events[5])
                served += 1
            except ConnectionRefusedError:
                return  # it has left
            except (OSError, AssertionError) as e:
                failed.append(e)
                return

    threads = [threading.Thread(target=asking) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    children = candidates_of(two.process)
    os.kill(two.process, signal.SIGTERM)
    for thread in threads:
        thread.join(30)
    stop.set()
    assert failed == []
    assert served > 20
    wait_until(lambda: not any(Path(f"/proc/{p}").exists() for p in children), seconds=10)
    assert not any(Path(f"/proc/{p}").exists() for p in children)
