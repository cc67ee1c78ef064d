"""Write the published schemas anew from the code: `python docs/schemas/make.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from mlops_cli.actions.audit import AuditResult
from mlops_cli.actions.build import BuildResult
from mlops_cli.actions.deploy import DeployResult, PlanResult, RenderResult
from mlops_cli.actions.doctor import DoctorResult
from mlops_cli.actions.drift import DriftResult
from mlops_cli.actions.init import InitResult
from mlops_cli.actions.logs import LogsResult
from mlops_cli.actions.score import ScoreResult
from mlops_cli.actions.status import StatusResult
from mlops_cli.bundle.schema import manifest_schema, profile_schema
from mlops_cli.config.schema import SCHEMA, config_schema
from mlops_cli.config.values import ConfigResult
from mlops_cli.contracts.model import contract_schema
from mlops_cli.pipeline.result import RunResult
from mlops_cli.reports.model import ReportResult
from mlops_cli.stages import STAGES
from mlops_cli.stages.validate import ValidateResult

HERE = Path(__file__).resolve().parent
RESULTS = (
    ("init", InitResult),
    ("run", RunResult),
    *((stage.name, RunResult) for stage in STAGES),
    ("validate", ValidateResult),  # with --now
    ("package", BuildResult),  # with --build or --push
    ("deploy", DeployResult),
    ("deploy", PlanResult),  # with --plan
    ("deploy", RenderResult),  # with --render
    ("logs", LogsResult),
    ("drift", DriftResult),
    ("report", ReportResult),
    ("score", ScoreResult),
    ("status", StatusResult),
    ("audit", AuditResult),
    ("doctor", DoctorResult),
    ("config", ConfigResult),
)


class Error(msgspec.Struct):
    """What is printed instead of a result; `code` is the exit code.

    `faults` is there for the kind `tampered`.
    """

    code: int
    kind: str
    message: str
    hint: str
    faults: list[str] = []


def output_schema() -> dict[str, Any]:
    """What a command prints with --json: one object, a result or an error."""
    kinds = list(dict.fromkeys([*(kind for _, kind in RESULTS), Error]))
    refs, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    found = dict(zip(kinds, refs, strict=True))
    results = [_object(name, "result", found[kind]) for name, kind in RESULTS]
    failures = {"type": "object", "required": ["command", "error"]}
    failures["properties"] = {"command": {"type": "string"}, "error": found[Error]}
    head = {"$schema": SCHEMA, "title": "the output of --json"}
    return {**head, "anyOf": [*results, failures], "$defs": definitions}


def _object(command: str, key: str, kind: dict[str, Any]) -> dict[str, Any]:
    properties = {"command": {"const": command}, key: kind}
    return {"type": "object", "required": ["command", key], "properties": properties}


SCHEMAS = {
    "mlops.schema.json": config_schema,
    "contract.schema.json": contract_schema,
    "manifest.schema.json": manifest_schema,
    "profile.schema.json": profile_schema,
    "output.schema.json": output_schema,
}


def as_text(schema: object) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, make in SCHEMAS.items():
        (HERE / name).write_text(as_text(make()), encoding="utf-8")
