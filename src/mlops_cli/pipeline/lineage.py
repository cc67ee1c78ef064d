"""What each stage read and wrote, as OpenLineage events: in files, or sent to an endpoint.

Loaded only where `tracking.lineage` asks for it. The form is OpenLineage 2-0-2.
"""

from __future__ import annotations

import http.client
import os
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from mlops_cli._files import sha256_of
from mlops_cli._git import head
from mlops_cli.bundle.manifest import MANIFEST
from mlops_cli.config.document import read_yaml
from mlops_cli.config.paths import CACHE, DVC_LOCK, MODEL
from mlops_cli.config.project import Project
from mlops_cli.errors import MlopsError
from mlops_cli.packaging.origin import origin
from mlops_cli.pipeline.dvc_yaml import deps_of
from mlops_cli.pipeline.outcome import run_token
from mlops_cli.progress import Progress
from mlops_cli.stages import Stage

FILES = "files"
API_KEY = "OPENLINEAGE_API_KEY"  # the variables have the names of OpenLineage's own clients
NAMESPACE = "OPENLINEAGE_NAMESPACE"
_SPEC = "https://openlineage.io/spec"
_PRODUCER = "https://github.com/mlops-cli/mlops-cli"
_PATIENCE = 3.0  # seconds that an endpoint may take
_SMALL = 1 << 20  # bytes of a file whose digest costs nothing

Json = dict[str, Any]
Kind = Literal["START", "COMPLETE", "FAIL", "ABORT"]


@contextmanager
def lineage(project: Project, stage: Stage, progress: Progress) -> Iterator[None]:
    """Tell that the stage starts, and how it ended; an endpoint that is away stops nothing."""
    run = _Run(project, stage, progress)
    run.tell("START")
    try:
        yield
    except Exception as e:
        run.tell("FAIL", e)
        raise
    except BaseException:  # Ctrl-C
        run.tell("ABORT")
        raise
    run.tell("COMPLETE")


@dataclass(slots=True)
class _Run:
    project: Project
    stage: Stage
    progress: Progress
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    away: bool = False

    def tell(self, kind: Kind, error: Exception | None = None) -> None:
        event = msgspec.json.encode(self._event(kind, error))
        to = self.project.config.tracking.lineage or FILES
        if to != FILES and not self.away:
            if (why := _post(to, event)) is None:
                return
            self.away = True
            self.progress.log(f"OpenLineage: {to} {why}; its events go to {CACHE}/lineage/")
        file = self.project.cache / "lineage" / f"{datetime.now(UTC):%Y-%m-%d}.ndjson"
        try:
            _append(file, event + b"\n")
        except OSError as e:
            self.progress.log(f"OpenLineage: {file}: {e.strerror}")

    def _event(self, kind: Kind, error: Exception | None) -> Json:
        read = [self._dataset(path) for path in deps_of(self.project, self.stage)]
        done = kind == "COMPLETE"  # before, what another run has left stands there
        written = [self._dataset(path, known=done) for path in self.stage.written]
        return {
            "eventType": kind,
            "eventTime": datetime.now(UTC).isoformat(),
            "producer": _PRODUCER,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": self.id, "facets": self._run_facets(error)},
            "job": self._job(self.stage.name) | {"facets": self._job_facets()},
            "inputs": read,
            "outputs": written,
        }

    def _job(self, name: str) -> Json:
        return {"namespace": _namespace(self.project), "name": name}

    def _run_facets(self, error: Exception | None) -> Json:
        engine = {"version": version("mlops-cli"), "name": "mlops-cli"}
        found: Json = {"processing_engine": _facet("1-1-1", "ProcessingEngineRunFacet", engine)}
        if token := run_token():
            parent = {"run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, token))},
                      "job": self._job("run")}  # fmt: skip
            found["parent"] = _facet("1-2-0", "ParentRunFacet", parent)
        if error is not None:  # its message may hold a value of the data
            said = error.kind if isinstance(error, MlopsError) else type(error).__name__
            told = {"message": f"the stage failed: {said}", "programmingLanguage": "python"}
            found["errorMessage"] = _facet("1-0-1", "ErrorMessageRunFacet", told)
        return found

    def _job_facets(self) -> Json:
        kind = {"processingType": "BATCH", "integration": "MLOPS_CLI", "jobType": "STAGE"}
        found = {"jobType": _facet("2-0-4", "JobTypeJobFacet", kind)}
        url = origin(self.project.root).get("org.opencontainers.image.source")
        commit = head(self.project.root)
        if url and commit:
            where = {"type": "git", "url": url, "repoUrl": url, "version": commit}
            found["sourceCodeLocation"] = _facet("1-1-0", "SourceCodeLocationJobFacet", where)
        return found

    def _dataset(self, path: str, *, known: bool = True) -> Json:
        named: Json = {"namespace": _namespace(self.project), "name": path}
        of = _version(self.project.root, path) if known else None
        if of is not None:
            said = {"datasetVersion": of}
            named["facets"] = {"version": _facet("1-0-1", "DatasetVersionDatasetFacet", said)}
        return named


def _namespace(project: Project) -> str:
    return os.environ.get(NAMESPACE) or project.config.project


def _facet(of: str, name: str, content: Json) -> Json:
    url = f"{_SPEC}/facets/{of}/{name}.json#/$defs/{name}"
    return {"_producer": _PRODUCER, "_schemaURL": url, **content}


def _version(root: Path, path: str) -> str | None:
    """What names the content: a bundle's digest, a small file's, or what DVC has recorded of it."""
    file = root / path
    if path == MODEL:
        file /= MANIFEST
    try:
        if file.is_file() and file.stat().st_size <= _SMALL:
            return f"sha256:{sha256_of(file)}"
        kept = root / f"{path}.dvc"
        if kept.is_file():
            return f"md5:{read_yaml(kept)['outs'][0]['md5']}"
        stages = read_yaml(root / DVC_LOCK)["stages"].values()
        outs = (out for stage in stages for out in stage.get("outs", ()))
        return next((f"md5:{o['md5']}" for o in outs if o["path"] == path), None)
    except (OSError, MlopsError, LookupError, TypeError, AttributeError):
        return None  # nothing ran yet, or git keeps it


def _post(url: str, event: bytes) -> str | None:
    """Send an event; returns why it was not taken."""
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(API_KEY):
        headers["Authorization"] = f"Bearer {key}"
    try:
        at = urlsplit(url)
        kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        with closing(kind(at.hostname or "", at.port, timeout=_PATIENCE)) as connection:
            where = at.path + (f"?{at.query}" if at.query else "")
            connection.request("POST", where or "/", event, headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as e:
        return f"does not answer ({type(e).__name__})"
    return None if 200 <= status < 300 else f"answers {status}"


def _append(file: Path, line: bytes) -> None:
    """In one write, so that stages of two runs do not mix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
