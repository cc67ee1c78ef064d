"""OpenLineage events of stages, held to the classes that its owners make from their schema."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    job_type_job,
    parent_run,
    processing_engine_run,
    source_code_location_job,
)
from openlineage.client.generated import base
from openlineage.client.serde import Serde

import projects
from mlops_cli.bundle.manifest import MANIFEST, digest_of
from mlops_cli.config.load import load_project
from mlops_cli.errors import DataError
from mlops_cli.pipeline.stage import run_stage
from mlops_cli.progress import QUIET
from mlops_cli.stages import STAGES
from servers import free_port

FACETS = {
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "parent": parent_run.ParentRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}


def facets(said: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, content in said.items():
        content = dict(content)
        producer, schema = content.pop("_producer"), content.pop("_schemaURL")
        if name == "parent":
            content = {
                "run": parent_run.Run(**content["run"]),
                "job": parent_run.Job(**content["job"]),
            }
        found[name] = FACETS[name](**content, producer=producer)
        assert found[name]._schemaURL == schema
    return found


def checked(event: dict[str, Any]) -> dict[str, Any]:
    """The event, which OpenLineage's own classes take whole and write as it is."""
    said = dict(event)
    schema = said.pop("schemaURL")
    said["eventType"] = base.EventType(said["eventType"])
    said["run"] = base.Run(said["run"]["runId"], facets(said["run"]["facets"]))
    job = said["job"]
    said["job"] = base.Job(job["namespace"], job["name"], facets(job["facets"]))
    for key, kind in (("inputs", base.InputDataset), ("outputs", base.OutputDataset)):
        said[key] = [
            kind(d["namespace"], d["name"], facets=facets(d.get("facets", {}))) for d in said[key]
        ]
    made = base.RunEvent(**said)
    assert made.schemaURL == schema
    assert bare(json.loads(Serde.to_json(made))) == bare(event)
    return event


def bare(value: Any) -> Any:
    """Without what is empty, which says nothing."""
    if isinstance(value, dict):
        return {k: bare(v) for k, v in value.items() if v not in ({}, [], None)}
    return [bare(v) for v in value] if isinstance(value, list) else value


def asking(root: Path, lineage: str) -> Path:
    text = (root / "mlops.yaml").read_text()
    assert "tracking:" not in text
    (root / "mlops.yaml").write_text(f"{text}tracking: {{lineage: '{lineage}'}}\n")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return projects.copy(projects.finished("parcels"), tmp_path / "parcels")


def ran(root: Path, *names: str) -> None:
    for stage in STAGES:
        if stage.name in names:
            run_stage(load_project(root), stage.name, stage.revision, progress=QUIET)


def events_in(root: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for file in sorted((root / ".mlops/lineage").glob("*.ndjson"))
        for line in file.read_text().splitlines()
    ]


def test_each_stage_tells_what_it_read_and_wrote(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        ["git", "remote", "add", "origin", "https://ann:pw1234567@example.com/team/parcels.git"],
        cwd=project,
        check=True,
    )
    monkeypatch.setenv("MLOPS_OUTCOMES_OF", "ab" * 8)
    ran(asking(project, "files"), *(stage.name for stage in STAGES))
    events = [checked(event) for event in events_in(project)]
    assert [(e["job"]["name"], e["eventType"]) for e in events] == [
        (stage.name, kind) for stage in STAGES for kind in ("START", "COMPLETE")
    ]
    assert len({e["run"]["runId"] for e in events}) == len(STAGES)
    assert len({e["run"]["facets"]["parent"]["run"]["runId"] for e in events}) == 1
    for earlier, later in zip(events[1:-2:2], events[2::2], strict=True):
        assert later["eventType"] == "START"
        assert earlier["run"]["runId"] != later["run"]["runId"]
    written: set[str] = {"data/raw/parcels.csv", "contracts/parcels.yaml"}
    for event in events[1::2]:
        assert {d["name"] for d in event["inputs"]} <= written
        written |= {d["name"] for d in event["outputs"]}
    assert "pw1234567" not in json.dumps(events)
    model = next(
        d for e in events if e["job"]["name"] == "package" for d in e["inputs"]
        if d["name"] == "model"
    )  # fmt: skip
    digest = digest_of((project / "model" / MANIFEST).read_bytes())
    assert model["facets"]["version"]["datasetVersion"] == f"sha256:{digest}"


def test_a_stage_that_fails_says_so_and_no_value_of_the_data(project: Path) -> None:
    asking(project, "files")
    table = project / "data/raw/parcels.csv"
    table.write_text(table.read_text().replace(",N,", ",Ann Example,", 400))
    (project / "mlops.yaml").write_text(
        (project / "mlops.yaml")
        .read_text()
        .replace("validate: {}", "validate: {on_bad_rows: fail}")
    )
    with pytest.raises(DataError, match="contract"):
        ran(project, "validate")
    start, fail = (checked(event) for event in events_in(project))
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert fail["run"]["facets"]["errorMessage"]["message"] == "the stage failed: data"
    assert "Ann Example" not in json.dumps(fail)


@contextmanager
def endpoint(port: int, status: int = 201) -> Iterator[list[tuple[str, str, bytes]]]:
    taken: list[tuple[str, str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, self.headers.get("Authorization", ""), body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be silent."""

    server = HTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Told:
    """Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, message: str, *, done: float = 0.0, total: float | None = None) -> None:
        """Not asked for here."""

    def log(self, message: str) -> None:
        self.lines.append(message)


def test_an_endpoint_gets_them_and_one_that_is_away_stops_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    asking(project, f"http://127.0.0.1:{port}/api/v1/lineage?on=1")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "a-secret-key")
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "team")
    with endpoint(port) as taken:
        ran(project, "validate")
    assert [(path, key) for path, key, _ in taken] == [
        ("/api/v1/lineage?on=1", "Bearer a-secret-key")
    ] * 2
    assert {checked(json.loads(body))["job"]["namespace"] for *_, body in taken} == {"team"}
    assert events_in(project) == []
    told = Told()
    with endpoint(port, 503) as refused:
        run_stage(load_project(project), "validate", STAGES[0].revision, progress=told)
    assert len(refused) == 1
    assert [line for line in told.lines if "answers 503" in line]
    assert [e["eventType"] for e in events_in(project)] == ["START", "COMPLETE"]
    told = Told()
    run_stage(load_project(project), "validate", STAGES[0].revision, progress=told)
    assert [line for line in told.lines if "does not answer (ConnectionRefusedError)" in line]
    assert len(events_in(project)) == 4
    file = project / "mlops.yaml"
    file.write_text(file.read_text().replace(f"http://127.0.0.1:{port}", "http://[::1"))
    told = Told()
    run_stage(load_project(project), "validate", STAGES[0].revision, progress=told)
    assert [line for line in told.lines if "does not answer (ValueError)" in line]
    assert not [line for line in told.lines if "a-secret-key" in line]


def test_what_is_not_asked_for_is_not_loaded_and_leaves_no_file(project: Path) -> None:
    code = (
        "import sys; from mlops_cli.cli.stage import stage_command; "
        f"assert stage_command(['validate', '--revision', '{STAGES[0].revision}']) == 0; "
        "print('mlops_cli.pipeline.lineage' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=project, check=True, capture_output=True, text=True
    )
    assert said.stdout == "False\n"
    assert not (project / ".mlops/lineage").exists()
    asking(project, "files")
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=project, check=True, capture_output=True, text=True
    )
    assert said.stdout == "True\n"
    assert len(events_in(project)) == 2
