"""A server with a rollout: what it is told, what it answers, and who answers for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

import bundles
import decided
from mlops_cli._poll import wait_until
from mlops_cli.bundle.reader import Bundle, open_bundle
from running import serving
from servers import free_port

SECRET = "c" * 43
SALT = "5a17"


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
    champion: bundles.Sample | decided.Decided,
    candidate: bundles.Sample | decided.Decided,
    workers: int = 1,
    **settings: str,
) -> Iterator[Service]:
    """A server of `champion`, to be told of the other."""
    (tmp_path / "control").write_text(SECRET)
    monkeypatch.setenv("MLOPS_SERVE_CONTROL", str(tmp_path / "control"))
    monkeypatch.setenv("MLOPS_SERVE_ROLLOUT", str(tmp_path / "rollout.json"))
    monkeypatch.setenv("MLOPS_SERVE_WORKERS", str(workers))
    for name, value in settings.items():
        monkeypatch.setenv(f"MLOPS_SERVE_{name}", value)
    port = free_port()
    with serving(champion.path, "--port", str(port)) as process:
        yield Service(port, process.pid, *(open_bundle(s.path) for s in (champion, candidate)))


Start = Callable[..., AbstractContextManager[Service]]  # so many workers, with settings


def arm(key: str, percent: float) -> str:
    """The arm of a key, as the documentation has it."""
    part = int.from_bytes(hashlib.sha256(f"{SALT}\0{key}".encode()).digest()[:8], "big") % 10000
    return "candidate" if part < 100 * percent else "champion"


def candidates_of(process: int) -> list[int]:
    """The process ids of the candidates below a server."""
    found: list[int] = []
    for child in _children(process):
        name = Path(f"/proc/{child}/cmdline").read_bytes()
        found += [child] if b"serving.rollouts.candidate" in name else candidates_of(child)
    return found


def _children(process: int) -> list[int]:
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except FileNotFoundError:
        return []
    return [int(pid) for pid in text.split()]


def logged_lines(folder: Path, count: int) -> list[dict[str, Any]]:
    """The lines of the log in `folder/log`, when there are so many."""

    def read() -> list[dict[str, Any]]:
        found = sorted((folder / "log").glob("predictions-*"))
        return [msgspec.json.decode(x) for file in found for x in file.read_bytes().splitlines()]

    assert wait_until(lambda: len(read()) >= count, seconds=10), read()
    return read()


def sticky_key(event: Any, *names: str) -> str:
    """The key of an event that is sticky by these inputs."""
    return json.dumps([event.get(n) for n in names], separators=(",", ":"), ensure_ascii=False)


def tensors(events: list[Any]) -> dict[str, Any]:
    """Events as a request of the Open Inference Protocol."""
    kinds = {"distance": "INT64", "temp": "FP64", "wet": "BOOL"}
    return {
        "inputs": [
            {
                "name": name,
                "datatype": kinds.get(name, "BYTES"),
                "shape": [len(events)],
                "data": [event[name] for event in events],
            }
            for name in events[0]
        ]
    }
