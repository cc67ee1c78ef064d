"""A rollout beside the rest of the service: metrics, keys, cache, traces, other inputs."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import bundles
from mlops_cli._json import canonical_json
from mlops_cli.bundle.manifest import MANIFEST, digest_of
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.auth import Key, digest_of_key, format_keys
from rollouts import SECRET, Service, Start, arm, candidates_of


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, binary: bundles.Sample) -> bundles.Sample:
    """A candidate with an input more than the champion has, and without one that it has."""
    path = tmp_path_factory.mktemp("other") / "other"
    sample = bundles.write(path, n=180)
    manifest = json.loads((path / MANIFEST).read_text())
    gate = {"name": "gate_number", "type": "text", "nullable": True, "categories": None,
            "source": "event"}  # fmt: skip
    manifest["inputs"].append(gate)
    (path / MANIFEST).write_bytes(canonical_json(manifest))
    return sample


@pytest.fixture
def settings(other: bundles.Sample) -> dict[str, str]:
    """It has a cache, and the candidate's folder as that of its models."""
    return {"CACHE": "memory:1000", "MODELS": str(other.path.parent)}


def test_an_input_of_the_candidate_alone_is_no_fault_for_the_champion(
    one: Service, other: bundles.Sample
) -> None:
    one.weigh(50, sticky=["gate_number"])
    seen = set()
    for i in range(20):
        answer = one.predict({**other.events[5], "gate_number": f"g{i}"})
        seen.add(answer["version"])
        name = arm(json.dumps([f"g{i}"]), 50)
        assert answer["version"] == getattr(one, name).version
    assert len(seen) == 2
    event = {k: v for k, v in other.events[5].items() if k != "temp"}
    status, said = one.ask("POST", "/v1/predict", {**event, "gatenumber": 3, "Temp": 3})
    assert status == 422, said  # a name that neither has is a fault still


def test_a_cache_does_not_mix_versions(one: Service, other: bundles.Sample) -> None:
    event = other.events[7]
    first = one.predict(event)["predictions"]
    one.weigh(100)
    second = one.predict(event)["predictions"]
    assert first != second
    one.weigh(0)
    assert one.predict(event)["predictions"] == first
    one.weigh(100)
    assert one.predict(event)["predictions"] == second


def test_metrics_tell_of_both_arms(one: Service, other: bundles.Sample) -> None:
    one.weigh(40)
    for event in other.events[3:53]:
        one.predict(event)
    found = exposed(one)
    tallies = one.tallies()
    versions = {"champion": one.champion.version, "candidate": one.candidate.version}
    for name, version in versions.items():
        count = tallies[0, name]["answered"]
        assert count > 5
        labels = {"arm": name, "version": version, "step": "0", "outcome": "answered"}
        assert found["mlops_rollout_requests_total", frozenset(labels.items())] == count
        labels = {"code": "200", "variant": name, "version": version}
        assert found["mlops_requests_total", frozenset(labels.items())] == count
    assert {value for (name, _), value in found.items() if name == "mlops_rollout_percent"} == {40}
    assert one.put(None)[0] == 200
    gone = exposed(one)
    assert not any(name.startswith("mlops_rollout") for name, _ in gone)
    labels = {"code": "200", "variant": "candidate", "version": "other"}
    assert gone["mlops_requests_total", frozenset(labels.items())] > 5


def test_the_default_stays_while_a_rollout_runs(one: Service, other: bundles.Sample) -> None:
    secret = f"Bearer {SECRET}"
    one.weigh(10)
    body = {"path": other.path.name, "default": True}
    status, said = one.ask("POST", "/v1/admin/models", body, authorization=secret)
    assert (status, "rollout" in said["error"]["message"]) == (409, True)
    assert one.put(None)[0] == 200
    assert one.ask("POST", "/v1/admin/models", body, authorization=secret)[0] == 201


def test_a_request_of_a_trace_goes_the_same_way(one: Service, other: bundles.Sample) -> None:
    one.weigh(100)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert one.predict(other.events[5], traceparent=trace)["version"] == one.candidate.version
    assert one.tallies()[0, "candidate"]["answered"] == 1


@pytest.mark.parametrize(
    ("mark", "head"),
    [
        ({"header": "X-Candidate"}, {"x_candidate": "yes"}),
        ({"cookie": "try"}, {"cookie": "a=1; try=yes; b=2"}),
    ],
    ids=["header", "cookie"],
)
def test_a_tester_meets_the_candidate_and_counts_for_nobody(
    one: Service, other: bundles.Sample, mark: dict[str, str], head: dict[str, str]
) -> None:
    one.weigh(0, testers=mark | {"value": "yes"})
    event, events = other.events[5], other.events[5:8]
    with closing(HTTPConnection("127.0.0.1", one.port, timeout=20)) as kept:
        names = {name.replace("_", "-"): value for name, value in head.items()}
        for given, version in ((names, one.candidate), ({}, one.champion)) * 3:  # known by now
            kept.request("POST", "/v1/predict", json.dumps(event), given)
            assert json.loads(kept.getresponse().read())["version"] == version.version
    assert one.predict(events, **head)["version"] == one.candidate.version
    nearly = {name: value.replace("yes", "yess") for name, value in head.items()}
    assert one.predict(event, **nearly)["version"] == one.champion.version
    assert [one.tallies()[0, arm]["requests"] for arm in ("champion", "candidate")] == [4, 0]
    assert one.ask("POST", "/v1/predict", {"temp": "warm"}, **head)[0] == 422
    for process in candidates_of(one.process):
        os.kill(process, signal.SIGKILL)
    assert one.predict(event, **head)["version"] == one.champion.version
    one.weigh(0, testers=mark | {"value": "yes"}, arm="champion", candidate_path=None, step=1)
    assert one.predict(event, **head)["version"] == one.champion.version
    one.predict(event)
    assert one.tallies()[1, "champion"]["requests"] == 1


def test_with_keys_a_rollout_is_for_who_may_administrate(
    start: Start, tmp_path: Path, other: bundles.Sample
) -> None:
    now, scopes = datetime.now(UTC), (("predict",), ("admin", "predict"))
    keys = [Key(s[0], digest_of_key(s[0].encode() * 9), s, now) for s in scopes]  # type: ignore[arg-type]
    (tmp_path / "keys").write_bytes(format_keys(keys))
    with start(KEYS=str(tmp_path / "keys")) as one:
        path = "/v1/admin/rollout"
        assert one.ask("GET", path)[0] == 401
        assert one.ask("GET", path, authorization="Bearer " + "predict" * 9)[0] == 403
        assert one.ask("GET", path, authorization="Bearer " + "admin" * 9)[0] == 200
        one.weigh(100)
        assert one.ask("POST", "/v1/predict", other.events[5])[0] == 401
        answer = one.predict(other.events[5], authorization="Bearer " + "predict" * 9)
        assert answer["version"] == one.candidate.version


def test_where_digests_are_allowed_no_other_candidate_is(
    start: Start, monkeypatch: pytest.MonkeyPatch, binary: bundles.Sample, other: bundles.Sample
) -> None:
    champion, candidate = (open_bundle(s.path).digest for s in (binary, other))
    monkeypatch.setenv("MLOPS_DIGEST", champion)
    with start() as one:
        status, said = one.put(one.document(10))
        assert (status, "MLOPS_DIGEST" in said["error"]["message"]) == (422, True)
    monkeypatch.setenv("MLOPS_DIGEST", f"{champion},{candidate}")
    with start() as one:
        one.weigh(10)


@pytest.mark.parametrize(
    ("traffic", "said"),
    [
        ({"percent": 101}, "percent"),
        ({"step": -1}, "step"),
        ({"champion": "1" * 64}, "this server's champion is"),
        ({"candidate_path": "nowhere"}, "nowhere"),
        ({"candidate_path": None}, "candidate_path"),
        ({"sticky": ["colour"]}, "'colour' is an input of neither version"),
        ({"weight": 5}, "weight"),
        ({"segment": {"op": "column", "type": "text", "value": "origin"}}, "true or false"),
        ({"segment": {"op": "spin", "type": "boolean", "args": []}}, "operation"),
        ({"segment": "origin = 'JFK'"}, "segment"),
        ({"warm_until": "soon"}, "warm_until"),
        ({"testers": {"value": "yes"}}, "a header, or a cookie"),
        ({"testers": {"header": "a b", "value": "yes"}}, "testers"),
    ],
)
def test_a_document_that_cannot_be_obeyed_says_why_and_changes_nothing(
    one: Service, traffic: dict[str, Any], said: str
) -> None:
    document = one.document(10)
    document["traffic"] |= traffic
    status, answer = one.put(document)
    assert (status, said in answer["error"]["message"]) == (422, True), answer
    assert one.tallies() == {}
    assert one.put([])[0] == 422
    assert one.ask("PUT", "/v1/admin/rollout", {}, authorization=f"Bearer {SECRET}")[0] == 422


def test_a_bundle_that_does_not_reproduce_its_rows_meets_nobody(
    one: Service, tmp_path: Path, other: bundles.Sample
) -> None:
    path = shutil.copytree(other.path, tmp_path / "broken")
    (path / "model.ubj").write_bytes(b"no model")
    status, answer = one.put(one.document(10, candidate_path=str(path)))
    assert (status, "model.ubj" in answer["error"]["message"]) == (422, True)
    manifest = json.loads((path / MANIFEST).read_text())
    import hashlib

    manifest["files"]["model.ubj"]["sha256"] = hashlib.sha256(b"no model").hexdigest()
    (path / MANIFEST).write_bytes(canonical_json(manifest))
    digest = digest_of((path / MANIFEST).read_bytes())
    status, answer = one.put(one.document(10, candidate_path=str(path), candidate=digest))
    assert (status, "model.ubj" in answer["error"]["message"]) == (422, True)
    one.weigh(10)


def exposed(one: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What /metrics says, by name and labels."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{one.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return {(s.name, frozenset(s.labels.items())): s.value for s in samples}
