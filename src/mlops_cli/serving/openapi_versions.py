"""The part of the OpenAPI document that tells of several versions in one service."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
MODELS, ADMIN = "/v1/models", "/v1/admin/models"


def paths(model: str, version: str, predict: Schema, explain: Schema) -> Schema:
    """The paths, of which `model` and `version` are an example; asked as the default version is."""
    name, of = _parameter("name", model), _parameter("version", version)
    found: Schema = {MODELS: {"get": _told("What is loaded, the default first", "Models")}}
    one = f"{MODELS}/{{name}}"
    for path, named in ((one, [name]), (f"{one}/versions/{{version}}", [name, of])):
        for end, asked in (("predict", predict), ("explain", explain)):
            parameters = [*asked["parameters"], *named]
            found[f"{path}/{end}"] = {"post": asked | {"parameters": parameters}}
    load = _told("Load a bundle in every worker, where one may", "Model", "201")
    load["requestBody"] = {"required": True, "content": _content("Load")}
    default = _told("Answer with it where a request names no version", "Model")
    unload = _told("Unload a version that is not the default", "Unloaded")
    return found | {
        ADMIN: {"post": load},
        f"{ADMIN}/{{version}}": {"delete": unload | {"parameters": [of]}},
        f"{ADMIN}/{{version}}/default": {"put": default | {"parameters": [of]}},
    }


def schemas() -> Schema:
    """The components that the paths refer to."""
    text: Schema = {"type": "string"}
    fields = {"model": text, "version": text, "digest": text, "default": {"type": "boolean"}}
    model: Schema = {"type": "object", "properties": fields, "required": list(fields)}
    listed: Schema = {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}
    load: Schema = {"path": text, "default": {"type": "boolean"}}
    return {
        "Model": model,
        "Models": {"type": "object", "properties": {"models": listed}, "required": ["models"]},
        "Load": {"type": "object", "properties": load, "required": ["path"]},
        "Unloaded": {
            "type": "object",
            "properties": {"unloaded": text},
            "required": ["unloaded"],
        },
    }


def _told(summary: str, schema: str, *more: str) -> Schema:
    good = {c: {"description": summary, "content": _content(schema)} for c in ("200", *more)}
    refused = {"description": "Refused", "content": _content("Error")}
    return {"summary": summary, "responses": {**good, "default": refused}}


def _content(schema: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _parameter(name: str, example: str) -> Schema:
    text = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": text, "example": example}
