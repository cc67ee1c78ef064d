"""The part of the OpenAPI document that tells of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Schema = dict[str, Any]
ROOT = "/v2"
MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"
_TEXT: Schema = {"type": "string"}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer"}}
_PARAMETERS: Schema = {"type": ["object", "null"], "additionalProperties": True}


def paths(model: str, version: str) -> Schema:
    """The paths, of which `model` and `version` are an example."""
    examples = {"name": model, "version": version}
    found: Schema = {
        ROOT: {"get": _get("The server and its extensions", [])},
        "/v2/health/live": {"get": _get("The process answers", [])},
        "/v2/health/ready": {"get": _get("A model answers; 503 while it drains", [], "503")},
    }
    for path, names in ((MODEL, ["name"]), (VERSION, ["name", "version"])):
        of = [
            {"name": n, "in": "path", "required": True, "schema": _TEXT, "example": examples[n]}
            for n in names
        ]
        found[path] = {"get": _get("The model's inputs and outputs", of, "404")}
        found[f"{path}/ready"] = {"get": _get("Whether the model answers", of, "404")}
        found[f"{path}/infer"] = {"post": _infer(of)}
    return found


def schemas() -> Schema:
    """The components that the paths refer to."""
    tensor: Schema = {"name": _TEXT, "datatype": _TEXT, "shape": _SHAPE}
    data: Schema = {"data": {"type": "array"}, "parameters": _PARAMETERS}
    asked: Schema = {"name": _TEXT, "parameters": _PARAMETERS}
    return {
        "InferRequest": {
            "type": "object",
            "properties": {
                "id": {"type": ["string", "null"]},
                "parameters": _PARAMETERS,
                "inputs": _list(_object(tensor | data, list(tensor))),
                "outputs": {**_list(_object(asked, ["name"])), "type": ["array", "null"]},
            },
            "required": ["inputs"],
        },
        "InferResponse": _object(
            {
                "model_name": _TEXT,
                "model_version": _TEXT,
                "id": _TEXT,
                "outputs": _list(_object(tensor | data, list(tensor))),
            }
        ),
        "InferError": _object({"error": _TEXT}),
    }


def _infer(parameters: Sequence[Schema]) -> Schema:
    body = {"application/json": {"schema": _ref("InferRequest")}}
    faults = {"400": "No inference request", "404": "No such model", "413": "Too large"}
    faults["default"] = "Refused"
    return {
        "summary": "Predict rows that are given by column",
        "parameters": list(parameters),
        "requestBody": {"required": True, "content": body},
        "responses": {"200": _response("The outputs", "InferResponse")}
        | {code: _response(said, "InferError") for code, said in faults.items()},
    }


def _get(summary: str, parameters: Sequence[Schema], *codes: str) -> Schema:
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            code: {"description": summary, "content": {"application/json": {}}}
            for code in ("200", *codes)
        }
        | {"default": _response("Refused", "InferError")},
    }


def _response(description: str, schema: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    required = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": required}
