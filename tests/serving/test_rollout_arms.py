"""What each arm answers: lists, segments, named versions, tensors; and what the log has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli._poll import wait_until
from mlops_cli.features.expressions import parse
from rollouts import SALT, Service, arm, logged_lines, sticky_key, tensors

TYPES: Any = {"origin": "text", "distance": "integer", "temp": "float", "day": "date"}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """It logs."""
    return {"LOG__DIR": str(tmp_path / "log")}


def test_a_list_is_answered_row_by_row_by_the_arm_of_its_sticky_inputs(
    one: Service, tmp_path: Path, binary: bundles.Sample, other: bundles.Sample
) -> None:
    one.weigh(40, sticky=["origin", "distance"])
    events = other.events[3:40]
    arms = [arm(sticky_key(e, "origin", "distance"), 40) for e in events]
    assert {"champion", "candidate"} == set(arms)
    answer = one.predict(events)
    assert answer["version"] == one.champion.version
    versions = {"champion": one.champion.version, "candidate": one.candidate.version}
    assert [p["version"] for p in answer["predictions"]] == [versions[a] for a in arms]
    for row, (event, name, prediction) in enumerate(
        zip(events, arms, answer["predictions"], strict=True)
    ):
        alone = one.predict(event)
        assert alone["version"] == versions[name]
        assert "version" not in alone["predictions"][0]
        del prediction["version"]
        assert alone["predictions"][0] == prediction, row
    tallies = one.tallies()
    for name in versions:
        assert tallies[0, name]["requests"] == 1 + arms.count(name)
    logged = [
        line for line in logged_lines(tmp_path, 74) if line["request_id"] == answer["request_id"]
    ]
    assert sorted((line["row"], line["arm"]) for line in logged) == list(enumerate(arms))
    assert {(x["rollout"], x["step"]) for x in logged} == {(SALT, 0)}
    assert all(line["version"] == versions[line["variant"]] for line in logged)


def test_a_row_that_the_champion_refuses_is_named_by_its_place_and_counts_for_nobody(
    one: Service, other: bundles.Sample
) -> None:
    one.weigh(40, sticky=["distance"])
    events = [dict(e) for e in other.events[3:40]]
    bad = next(
        i
        for i, e in enumerate(events)
        if i > 5 and arm(sticky_key(e, "distance"), 40) == "champion"
    )
    events[bad]["temp"] = "warm"
    status, said = one.ask("POST", "/v1/predict", events)
    assert (status, said["error"]["row"], said["error"]["field"]) == (422, bad, "temp")
    bad = next(
        i
        for i, e in enumerate(events)
        if i > 5 and arm(sticky_key(e, "distance"), 40) != "champion"
    )
    events = [dict(e) for e in other.events[3:40]]
    events[bad]["temp"] = "warm"
    status, said = one.ask("POST", "/v1/predict", events)
    assert (status, said["error"]["row"], said["error"]["field"]) == (422, bad, "temp")
    assert one.ask("POST", "/v1/predict", events[bad])[0] == 422
    assert all(t["errors"] == 0 for t in one.tallies().values())


def test_only_what_the_segment_is_true_of_meets_the_candidate_and_is_counted(
    one: Service, tmp_path: Path, other: bundles.Sample
) -> None:
    tree = msgspec.to_builtins(parse("temp > 10 and day < date '2013-03-01'", TYPES))
    one.weigh(100, segment=tree)
    events = other.events[3:60]
    eligible = [
        e["temp"] is not None and e["temp"] > 10 and e["day"] < "2013-03-01" for e in events
    ]
    found = [one.predict(e)["version"] == one.candidate.version for e in events]
    assert found == eligible
    assert any(eligible)
    assert one.tallies()[0, "candidate"]["requests"] == sum(eligible)
    assert one.tallies()[0, "champion"]["requests"] == 0
    logged = logged_lines(tmp_path, len(events))
    assert sum("arm" in line for line in logged) == sum(eligible)


def test_versions_are_listed_and_the_candidates_can_be_named(
    one: Service, other: bundles.Sample
) -> None:
    one.weigh(0)
    _, listed = one.ask("GET", "/v1/models", authorization=f"Bearer {'c' * 43}")
    assert [(m["version"], m["default"]) for m in listed["models"]] == [
        (one.champion.version, True),
        (one.candidate.version, False),
    ]
    for version in (one.champion.version, one.candidate.version):
        path = f"/v1/models/delays/versions/{version}"
        status, answer = one.ask("POST", f"{path}/predict", other.events[3:9])
        assert (status, answer["version"], len(answer["predictions"])) == (200, version, 6)
        path = f"/v2/models/delays/versions/{version}"
        assert one.ask("GET", path)[1]["versions"][0] == version
        status, answer = one.ask("POST", f"{path}/infer", tensors(other.events[3:9]))
        assert (status, answer["model_version"]) == (200, version)
    status, said = one.ask(
        "POST",
        f"/v1/models/delays/versions/{one.candidate.version}/predict",
        {**other.events[3], "temp": "warm"},
    )
    assert (status, said["error"]["field"]) == (422, "temp")
    assert one.ask("POST", "/v1/models/delays/versions/000000000000/predict", {})[0] == 404
    assert one.ask("POST", "/v1/models/others/predict", other.events[3])[0] == 404
    assert all(t["requests"] == 0 for t in one.tallies().values())


def test_tensors_go_the_same_way(one: Service, other: bundles.Sample) -> None:
    one.weigh(40, sticky=["origin", "distance"])
    events = other.events[3:30]
    said = one.predict(events)["predictions"]
    status, answer = one.ask("POST", "/v2/models/delays/infer", tensors(events))
    assert status == 200, answer
    versions = [prediction["version"] for prediction in said]
    assert answer["model_version"] == one.champion.version
    assert answer["parameters"] == {"versions": ",".join(versions)}
    assert answer["outputs"][0]["data"] == [p["probability"] for p in said]
    status, answer = one.ask("POST", "/v2/models/delays/infer", tensors(events[:1]))
    assert answer["model_version"] == versions[0]
    assert one.tallies()[0, "champion"]["errors"] == one.tallies()[0, "candidate"]["errors"] == 0


def test_lists_and_tensors_are_compared_with_what_the_champion_takes_of_the_same(
    one: Service, other: bundles.Sample
) -> None:
    one.weigh(100, mirror=True)
    for events in (other.events[3:120], other.events[3:5]):
        assert len(one.predict(events)["predictions"]) == len(events)
        assert one.ask("POST", "/v2/models/delays/infer", tensors(events))[0] == 200

    def pairs() -> list[int]:
        tallies = one.tallies()
        counts = [tallies[0, arm]["latency"] for arm in ("champion", "candidate")]
        return [sum(c.values()) for c in (*counts, tallies[0, "candidate"]["quicker"])]

    assert wait_until(lambda: min(pairs()) >= 1, seconds=10)
    assert len(set(pairs())) == 1


def test_a_shadow_is_asked_and_seen_by_nobody(
    one: Service, tmp_path: Path, other: bundles.Sample
) -> None:
    one.weigh(100, mirror=True)
    for event in other.events[3:23]:
        assert one.predict(event)["version"] == one.champion.version
    assert one.predict(other.events[3:23])["version"] == one.champion.version
    assert one.ask("POST", "/v2/models/delays/infer", tensors(other.events[3:5]))[0] == 200
    wait_until(lambda: one.tallies()[0, "candidate"]["requests"] == 22, seconds=10)
    tallies = one.tallies()
    assert [tallies[0, a]["answered"] for a in ("champion", "candidate")] == [22, 22]
    assert tallies[0, "candidate"]["sum"] != tallies[0, "champion"]["sum"]
    logged = logged_lines(tmp_path, 84)
    shadows = [line for line in logged if line["variant"] == "shadow"]
    assert len(shadows) == 42
    assert {line["arm"] for line in shadows} == {"candidate"}
    assert {x["arm"] for x in logged if x["variant"] == "champion"} == {"champion"}
    asked = {(line["request_id"], line["row"]) for line in logged if line["variant"] == "champion"}
    assert {(line["request_id"], line["row"]) for line in shadows} == asked
    assert all(line["prediction"] and len(line["features"]) == 64 for line in shadows)


def test_a_server_of_one_arm_counts_for_it(one: Service, other: bundles.Sample) -> None:
    one.weigh(30, arm="champion", candidate_path=None)
    for event in other.events[3:23]:
        assert one.predict(event)["version"] == one.champion.version
    one.predict(other.events[3:23])
    assert one.tallies()[0, "champion"]["requests"] == 21
    assert ("candidate" not in {a for _, a in one.tallies()}) or one.tallies()[0, "candidate"][
        "requests"
    ] == 0
