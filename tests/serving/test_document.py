"""What the OpenAPI document allows and what it does not, asked of a server, with keys and without.

`nox -s fuzz` installs schemathesis, which makes the requests; `MLOPS_FUZZ_CASES` says how many.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

import bundles
from mlops_cli.bundle.reader import open_bundle
from mlops_cli.serving.auth import SCOPES, Key, digest_of_key, format_keys
from mlops_cli.serving.openapi import openapi
from mlops_cli.serving.predictor import Predictor, open_predictor
from running import serving
from servers import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extras,
    pytest.mark.skipif(
        not importlib.util.find_spec("schemathesis"),
        reason="schemathesis is not installed: nox -s fuzz",
    ),
    pytest.mark.filterwarnings("default"),  # of the tool's own
]
CASES = int(os.environ.get("MLOPS_FUZZ_CASES", "900"))
KEY = "k" * 43
log = logging.getLogger(__name__)
ADMIN = "/v1/admin/models"
OPEN = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")
Way = Literal["no keys", "a key", "its key is missing"]
WAYS: tuple[Way, ...] = ("no keys", "a key", "its key is missing")


@pytest.fixture(params=WAYS)
def asked(
    request: pytest.FixtureRequest,
    binary: bundles.Sample,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[Way, str]]:
    """A server with a log and a folder of models, and its address."""
    shutil.copytree(binary.path, tmp_path / "models/first")
    monkeypatch.setenv("MLOPS_SERVE_LOG__DIR", str(tmp_path / "log"))
    if request.param != "no keys":
        key = Key("all", digest_of_key(KEY.encode()), SCOPES, datetime.now(UTC))
        (tmp_path / "keys").write_bytes(format_keys([key]))
        monkeypatch.setenv("MLOPS_SERVE_KEYS", str(tmp_path / "keys"))
        monkeypatch.setenv("MLOPS_SERVE_MODELS", str(tmp_path / "models"))
    port = free_port()
    with serving(tmp_path / "models/first", "--port", str(port)) as process:
        yield request.param, f"http://127.0.0.1:{port}"
        assert process.poll() is None
        process.terminate()
        assert process.wait(40) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


class Asker:
    """Holds each answer to the document, and each number to the model's own."""

    def __init__(self, way: Way, url: str, document: Any, predictor: Predictor) -> None:
        self.way = way
        self.statuses: Counter[int] = Counter()
        self._url = url
        self._document = document
        self._predictor = predictor

    def ask(self, case: Any) -> None:
        # One at random tells of a key, and would be refused as such.
        headers = {k: v for k, v in (case.headers or {}).items() if k.lower() != "authorization"}
        case.headers = headers | ({"authorization": f"Bearer {KEY}"} if self.way == "a key" else {})
        answer = case.call(base_url=self._url, timeout=60)
        self.statuses[answer.status_code] += 1
        path = case.operation.path
        assert answer.status_code < 500, answer.content
        assert answer.headers["x-request-id"][0]
        if self.way == "its key is missing" and path not in OPEN:
            assert answer.status_code in (401, 404, 405), answer.content
        if self.way == "no keys" and path.startswith(ADMIN):
            assert answer.status_code in (404, 405), answer.content
        if answer.headers["content-type"][0] == "application/json":
            self._check(case, answer.status_code, json.loads(answer.content))

    def _check(self, case: Any, status: int, content: Any) -> None:
        responses = case.operation.definition.raw["responses"]
        response = responses.get(str(status), responses["default"])
        schema = response["content"]["application/json"].get("schema", {})
        if status in (404, 405) and set(content) == {"error"}:  # before a route was found
            return
        whole = {**schema, "components": self._document["components"]}
        jsonschema.validate(content, whole)
        if status == 200 and case.operation.path.endswith(("/predict", "/explain")):
            events = case.body if isinstance(case.body, list) else [case.body]
            told = content["predictions"]
            for event, found in zip(events, told, strict=True):
                wanted = self._predictor.predict([event])[0]
                assert {name: found[name] for name in wanted} == wanted
                if "contributions" in found:
                    margin = math.log(wanted["probability"]) - math.log1p(-wanted["probability"])
                    total = found["base"] + sum(found["contributions"].values())
                    assert abs(total - margin) < 1e-4


def test_no_request_of_the_document_s_breaks_anything(
    asked: tuple[Way, str], binary: bundles.Sample
) -> None:
    import schemathesis

    bundle = open_bundle(binary.path)
    document = json.loads(json.dumps(openapi(bundle, binary.events[3])))
    asker = Asker(*asked, document, open_predictor(bundle))
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    asking = [o for o in operations if o.method == "post" and o.path != ADMIN]
    share = math.ceil(CASES / len(WAYS) / len(asking) / 2)
    for operation in operations:
        for mode in schemathesis.GenerationMode:
            cases = share if operation in asking else min(share, 20)
            _run(asker, operation, mode, cases)
    log.warning("%s: %d requests, %s", asker.way, asker.statuses.total(), dict(asker.statuses))
    assert sum(asker.statuses.values()) >= CASES / len(WAYS)
    if asker.way != "its key is missing":
        assert asker.statuses[200] > CASES / 100  # not all of them were refused


def _run(asker: Asker, operation: Any, mode: Any, cases: int) -> None:
    # Most questions are for the model that is there; of others the GETs ask enough.
    of = {p["name"]: p["example"] for p in operation.definition.raw.get("parameters", ())
          if p["in"] == "path"} if operation.method == "post" else {}  # fmt: skip

    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=of or None))
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize="MLOPS_FUZZ_CASES" not in os.environ,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    def one(case: Any) -> None:
        asker.ask(case)

    with contextlib.suppress(Unsatisfiable):  # nothing about it can be wrong
        one()
