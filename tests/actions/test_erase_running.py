"""What a running server has logged of a subject leaves it, while it goes on answering."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import projects
from command_line import Mlops
from servers import free_port

SUBJECT, OTHER = "person-00123-zq", "person-00124-zq"


@pytest.fixture
def served(tmp_path: Path, mlops: Mlops, target: str) -> Iterator[tuple[Path, str]]:
    """A project whose model answers on the target, and its address."""
    project = projects.copy(projects.finished("people"), tmp_path / "people")
    port, config = free_port(), project / "mlops.yaml"
    text = config.read_text().replace("deploy: {}", f"deploy: {{port: {port}}}")
    config.write_text(text + "serve: {log: {rotate: {every: 1h}}}\n")
    assert str(port) in config.read_text()
    yield project, mlops(project, "deploy", "--target", target, "--json", code=0).result["url"]
    mlops(project, "deploy", "--stop", "--target", target, code=None)


def ask(url: str, person: str) -> None:
    event = {"person": person, "city": "Oslo", "income": 19000}
    request = urllib.request.Request(
        f"{url}/v1/predict",
        json.dumps(event).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "target", ["local", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)
def test_it_is_collected_erased_and_served_on(
    served: tuple[Path, str], mlops: Mlops, target: str
) -> None:
    project, url = served
    for person in (SUBJECT, OTHER):
        ask(url, person)
    time.sleep(1)  # a worker writes its lines five times a second
    words = ("erase", "--subject", f"person={SUBJECT}", "--json")
    told = mlops(project, *words, "--dry-run", code=0).result
    assert {rest["where"] for rest in told["left"]} >= {f"the prediction log on {target}"}
    found = mlops(project, *words, code=0).result
    assert {"where": "monitoring/predictions", "rows": 1} in found["places"]
    assert found["left"] == []
    ask(url, OTHER)
    time.sleep(1)
    mlops(project, "deploy", "--stop", "--target", target, code=0)
    mlops(project, "collect", "--target", target, code=None)
    kept = [
        row["inputs"] + row["id"]
        for file in (project / "monitoring/predictions").rglob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    ]
    assert kept
    assert not any(SUBJECT in row for row in kept)
    logs = [f for f in (project / ".mlops").rglob("*") if f.suffix in (".ndjson", ".open")]
    assert not any(SUBJECT in f.read_text() for f in logs)


@pytest.fixture
def target(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)
