"""`mlops export logs`: Fluent Bit reads what the server logs, with the field names of ECS.

The server's own lines have them already. Of the prediction log inputs, `data.id` and the key's name
stay where they are: what holds a person's data is not copied to where `mlops erase` does not reach.
"""

from __future__ import annotations

from mlops_cli._json import pretty_json
from mlops_cli._templates import render, render_yaml
from mlops_cli.config.project import Project
from mlops_cli.targets.kubernetes.naming import object_name

ECS = "8.11.0"
# A field of a line of the prediction log, and what ECS calls it; `ms` becomes nanoseconds.
FIELDS = {
    "time": "@timestamp",
    "request_id": "http.request.id",
    "model": "service.name",
    "version": "service.version",
    "error": "error.type",
    "ms": "event.duration",
    "row": "mlops.row",
    "variant": "mlops.variant",
    "prediction": "mlops.prediction",
}
_TYPES = {
    "@timestamp": "date",
    "event.duration": "long",
    "mlops.row": "integer",
    "mlops.prediction": "flattened",
}


def logs_files(project: Project, target: str) -> dict[str, str]:
    """Fluent Bit's configuration, the mapping as its script, and the template of the index."""
    config = project.config
    name = object_name(config.project)
    log = config.serve.log
    segments = None
    if log is not None and target == "local":
        segments = str(project.root / (log.dir or ".mlops/local/log") / "predictions-*.ndjson")
    return {
        "fluent-bit.yaml": render_yaml(
            "logs/fluent-bit.yaml.j2",
            index=f"mlops-{name}",
            segments=segments,
            server=_server_log(project, target, name),
            cluster=target == "kubernetes",
            json=target != "local",
        ),
        "parsers.conf": render("logs/parsers.conf.j2"),
        "ecs.lua": render("logs/ecs.lua.j2", ecs=ECS, fields=FIELDS),
        "index-template.json": pretty_json(_index(name)),
    }


def _server_log(project: Project, target: str, name: str) -> str:
    if target == "kubernetes":
        return f"/var/log/containers/{name}-*_server-*.log"
    if target == "local":
        return str(project.root / ".mlops/local/server.log")
    return "/var/lib/docker/containers/*/*-json.log"


def _index(name: str) -> dict[str, object]:
    fields = (*FIELDS.values(), "ecs.version", "event.dataset")
    properties = {field: {"type": _TYPES.get(field, "keyword")} for field in fields}
    return {
        "index_patterns": [f"mlops-{name}*"],
        "priority": 200,
        "template": {"mappings": {"properties": properties}},
    }
