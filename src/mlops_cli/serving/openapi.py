"""The OpenAPI document of a model, made from its manifest and an event that it can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_cli.bundle.manifest import Input, Manifest, class_key
from mlops_cli.bundle.reader import Bundle
from mlops_cli.expressions.decimal_comma import DECIMAL_COMMA
from mlops_cli.expressions.tree import ValueType
from mlops_cli.serving import openapi_v2, openapi_versions
from mlops_cli.serving.contract import EXPLAIN, FEEDBACK, HEALTH, METRICS, PREDICT, READY
from mlops_cli.serving.predictions import VALUE

Schema = dict[str, Any]
NAMED_CATEGORIES = 50  # of more, only the first are named

_TYPES: dict[ValueType, Schema] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "double"},
    "text": {"type": "string"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
}
_SOURCES = {
    "event": "known by the caller",
    "join": "joined from a table in training",
    "online": "looked up online",
}


def openapi(bundle: Bundle, example: Mapping[str, Any]) -> Schema:
    """The OpenAPI 3.1 document of the server that answers with this bundle."""
    manifest = bundle.manifest
    predict = _asked(f"Predict {manifest.target.name}", "Answer", example)
    explain = _asked("Predict and explain", "ExplainedAnswer", example)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{manifest.project}: predicts {manifest.target.name}",
            "version": bundle.version,
        },
        "security": [{}, {"key": []}],  # a server may ask for keys, or not
        "paths": {
            PREDICT: {"post": predict},
            EXPLAIN: {"post": explain},
            **openapi_versions.paths(manifest.project, bundle.version, predict, explain),
            FEEDBACK: {"post": _labels()},
            HEALTH: {"get": _page("The process answers", "200")},
            READY: {"get": _page("Which model answers; 503 while it drains", "200", "503")},
            METRICS: {"get": _page("Prometheus metrics", "200", media="text/plain")},
            **openapi_v2.paths(manifest.project, bundle.version),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Event": event_schema(manifest),
                "Prediction": prediction_schema(manifest),
                "Explanation": explanation_schema(manifest),
                "Answer": _answer("Prediction"),
                "ExplainedAnswer": _answer("Explanation"),
                "Label": _label(manifest),
                "Labels": _object({"labels": {"type": "integer"}}),
                "Error": _error(),
                **openapi_versions.schemas(),
                **openapi_v2.schemas(),
            },
        },
    }


def event_schema(manifest: Manifest) -> Schema:
    """The JSON Schema of one event; further keys are allowed and never change a number."""
    return {
        "type": "object",
        "properties": {i.name: _input(i) for i in manifest.inputs},
        "required": [i.name for i in manifest.inputs if not i.nullable],
        "additionalProperties": True,
    }


def prediction_schema(manifest: Manifest) -> Schema:
    """The JSON Schema of one prediction."""
    if manifest.task == "regression":
        names = VALUE[:1] if manifest.interval is None else VALUE
        return _object({name: {"type": "number"} for name in names})
    label = {"enum": list(manifest.classes or ())}
    share = {"type": "number", "minimum": 0, "maximum": 1}
    if manifest.task == "binary":
        positive = class_key(manifest.classes[1]) if manifest.classes else ""
        return _object({"probability": {**share, "description": f"of {positive}"}, "label": label})
    keys = {class_key(c): share for c in manifest.classes or ()}
    return _object({"label": label, "probabilities": _object(keys)})


def explanation_schema(manifest: Manifest) -> Schema:
    """The JSON Schema of a prediction with its contributions."""
    number: Schema = {"type": "number"}
    parts = _object({feature.name: number for feature in manifest.features})
    if manifest.task == "multiclass":
        keys = [class_key(label) for label in manifest.classes or ()]
        parts, number = (_object(dict.fromkeys(keys, schema)) for schema in (parts, number))
    schema = prediction_schema(manifest)
    value: Schema = {"type": ["number", "null"]}
    schema["properties"] |= {
        "features": _object({feature.name: value for feature in manifest.features}),
        "contributions": parts,
        "base": number,
        "space": {"enum": ["margin", "value"]},
        "error": {"type": "number", "description": "standard error, where parts are estimated"},
    }
    schema["required"] += ["features", "contributions", "base", "space"]
    return schema


def _input(i: Input) -> Schema:
    schema = dict(_TYPES[i.type])
    if i.format is not None:
        schema = {"type": ["string", "number"]}
    if i.nullable:
        types = schema["type"]
        schema["type"] = [*(types if isinstance(types, list) else [types]), "null"]
    schema["description"] = input_words(i)
    return schema


def input_words(i: Input) -> str:
    """What a caller should know of an input beside its type."""
    said = [_SOURCES[i.source]]
    if i.format is not None:
        said.append(_written(i.type, i.format))
    if i.missing:
        said.append(f"null is also written {', '.join(i.missing)}")
    if i.categories is not None:
        named = ", ".join(i.categories[:NAMED_CATEGORIES])
        more = len(i.categories) - NAMED_CATEGORIES
        said.append(f"seen in training: {named}" + (f" and {more} more" if more > 0 else ""))
    return "; ".join(said)


def _written(kind: str, form: str) -> str:
    if form == DECIMAL_COMMA:
        return "a number, also as text with a decimal comma"
    return f"a {kind} as {form}, or ISO 8601"


def _asked(what: str, answer: str, example: Mapping[str, Any]) -> Schema:
    event = {"$ref": "#/components/schemas/Event"}
    body = {
        "schema": {"oneOf": [event, {"type": "array", "items": event, "minItems": 1}]},
        "examples": {"event": {"value": example}, "list": {"value": [example]}},
    }
    return {
        "summary": f"{what} for an event or a list of them",
        "parameters": [
            {"name": "X-Request-Id", "in": "header", "schema": {"type": "string"}},
        ],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {
            "200": _response("A prediction for each event, in order", answer),
            "400": _response("No JSON", "Error"),
            "413": _response("Too large", "Error"),
            "422": _response("A field that is not of its type", "Error"),
            "default": _response("Refused", "Error"),
        },
    }


def _label(manifest: Manifest) -> Schema:
    classes = manifest.classes
    label: Schema = {"type": "number"} if classes is None else {"enum": list(classes)}
    fields: Schema = {
        "request_id": {"type": "string", "minLength": 1, "maxLength": 128},
        "label": label,
        "row": {"type": ["integer", "null"], "minimum": 0, "maximum": 2**31 - 1},
        "time": {"type": ["string", "null"], "format": "date-time"},
    }
    required = ["request_id", "label"]
    return _object(fields) | {"required": required, "additionalProperties": False}


def _labels() -> Schema:
    label = {"$ref": "#/components/schemas/Label"}
    schema = {"oneOf": [label, {"type": "array", "items": label, "minItems": 1}]}
    return {
        "summary": "What came of a prediction: a label for each row of a request, or for one",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": _response("They are on disk", "Labels"),
            "400": _response("No JSON", "Error"),
            "404": _response("There is no prediction log, so labels are not kept", "Error"),
            "413": _response("Too large", "Error"),
            "422": _response("No label, or one that the model does not predict", "Error"),
            "503": _response("The disk takes nothing now", "Error"),
            "default": _response("Refused", "Error"),
        },
    }


def _answer(schema: str) -> Schema:
    text = {"type": "string"}
    predictions = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return _object({"model": text, "version": text, "request_id": text, "predictions": predictions})


def _error() -> Schema:
    fields: Schema = {
        "field": {"type": ["string", "null"]},
        "message": {"type": "string"},
        "row": {"type": ["integer", "null"], "description": "place in the list, from 0"},
    }
    return _object({"error": _object(fields)})


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _response(description: str, schema: str) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": description, "content": {"application/json": content}}


def _page(summary: str, *codes: str, media: str = "application/json") -> Schema:
    responses: Schema = {code: {"description": summary, "content": {media: {}}} for code in codes}
    return {
        "summary": summary,
        "responses": responses | {"default": _response("Refused", "Error")},
    }
