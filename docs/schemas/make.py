"""Write the published schemas anew from the code: `python docs/schemas/make.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from mlops_cli.actions import COMMANDS, load_command
from mlops_cli.actions.build import BuildResult
from mlops_cli.actions.command import Command
from mlops_cli.actions.deploy import PlanResult, RenderResult
from mlops_cli.actions.online import LookupResult, MaterializeResult
from mlops_cli.actions.suggest import SuggestResult
from mlops_cli.actions.update import UpdateResult
from mlops_cli.bundle.schema import manifest_schema, profile_schema
from mlops_cli.config.schema import SCHEMA, config_schema
from mlops_cli.contracts.model import contract_schema
from mlops_cli.features.registry import registry_schema
from mlops_cli.pipeline.result import RunResult
from mlops_cli.stages import STAGES
from mlops_cli.stages.validate import ValidateResult

HERE = Path(__file__).resolve().parent


def _result(command: Command) -> type:
    """What the command's function returns; a stage in a terminal is a run."""
    if command.name in {stage.name for stage in STAGES}:
        return RunResult
    found: type = get_type_hints(load_command(command.name))["return"]
    return found


RESULTS = (
    *((c.name, _result(c)) for c in COMMANDS),
    ("validate", ValidateResult),  # with --now
    ("package", BuildResult),  # with --build or --push
    ("deploy", PlanResult),  # with --plan
    ("deploy", RenderResult),  # with --render
    ("init", UpdateResult),  # with --update
    ("features", SuggestResult),  # with suggest
    ("features", MaterializeResult),  # with materialize
    ("features", LookupResult),  # with get
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
    "features.schema.json": registry_schema,
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
