"""Traffic between two versions: weights, tallies, and the switch over all workers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import Bundle, open_bundle
from running import serving
from servers import free_port

SECRET = "c" * 43
SALT = "5a17"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> bundles.Sample:
    """The candidate."""
    return bundles.write(tmp_path_factory.mktemp("other") / "other", n=180)


class Service:
    """A server with a control secret, which obeys `file`."""

    def __init__(self, port: int, process: int, champion: Bundle, candidate: Bundle) -> None:
        self.port = port
        self.process = process
        self.champion = champion
        self.candidate = candidate
        self.generation = 0

    def ask(self, method: str, path: str, value: Any = None, **head: str) -> tuple[int, Any]:
        """Status, and the answer decoded."""
        body = None if value is None else msgspec.json.encode(value)
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            names = {name.replace("_", "-"): text for name, text in head.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            content = answer.read()
        return answer.status, msgspec.json.decode(content)

    def predict(self, event: Any, **head: str) -> Any:
        """The answer, which is one."""
        status, answer = self.ask("POST", "/v1/predict", event, **head)
        assert status == 200, answer
        return answer

    def document(self, percent: Any, **traffic: Any) -> dict[str, Any]:
        """A document that sends so much to the candidate."""
        return {
            "generation": self.generation + 1,
            "traffic": {
                "salt": SALT,
                "champion": self.champion.digest,
                "candidate": self.candidate.digest,
                "candidate_path": str(self.candidate.path),
                "percent": percent,
                "step": 0,
                **traffic,
            },
            "state": {"since": "then"},
        }

    def put(self, document: Any, after: int | None = None) -> tuple[int, Any]:
        """Have it obey a document."""
        value = {"after": after, "document": document}
        status, said = self.ask("PUT", "/v1/admin/rollout", value, authorization=f"Bearer {SECRET}")
        if status == 200 and document is not None:
            self.generation = document["generation"]
        return status, said

    def weigh(self, percent: float, **traffic: Any) -> Any:
        """Put a document, which is obeyed."""
        status, said = self.put(self.document(percent, **traffic), self.generation)
        assert status == 200, said
        return said

    def tallies(self) -> dict[tuple[int, str], Any]:
        """What was counted, by step and arm."""
        status, said = self.ask("GET", "/v1/admin/rollout", authorization=f"Bearer {SECRET}")
        assert status == 200, said
        return {(t["step"], t["arm"]): t for t in said["tallies"]}


@contextmanager
def service(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    champion: bundles.Sample,
    candidate: bundles.Sample,
    workers: int = 1,
) -> Iterator[Service]:
    """A server of `champion`, to be told of the other."""
    (tmp_path / "control").write_text(SECRET)
    monkeypatch.setenv("MLOPS_SERVE_CONTROL", str(tmp_path / "control"))
    monkeypatch.setenv("MLOPS_SERVE_ROLLOUT", str(tmp_path / "rollout.json"))
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", str(workers))
    port = free_port()
    with serving(champion.path, "--port", str(port)) as process:
        yield Service(port, process.pid, *(open_bundle(s.path) for s in (champion, candidate)))


@pytest.fixture(params=[1, 2])
def two(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    binary: bundles.Sample,
    other: bundles.Sample,
) -> Iterator[Service]:
    """The service with one and with two workers."""
    with service(tmp_path, monkeypatch, binary, other, request.param) as started:
        yield started


def arm(key: str, percent: float) -> str:
    """The arm of a key, as the documentation has it."""
    part = int.from_bytes(hashlib.sha256(f"{SALT}\0{key}".encode()).digest()[:8], "big") % 10000
    return "candidate" if part < 100 * percent else "champion"


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
        assert sum(tally["latency"].values()) == seen[version]
        assert 0 < tally["sum"] < seen[version]


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


def candidates_of(process: int) -> list[int]:
    """The process ids of the candidates below a server."""
    found: list[int] = []
    for child in _children(process):
        name = Path(f"/proc/{child}/cmdline").read_bytes()
        found += [child] if b"serving.candidate" in name else candidates_of(child)
    return found


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(pid) for pid in text.split()]
