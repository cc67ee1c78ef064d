"""`mlops export helm`: a chart that renders to what `deploy` applies, to the letter.

Its templates are the manifests' own, rendered with a mark in the place of each value that a chart
lets somebody choose; a mark then becomes the expression of Helm that gives the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from mlops_cli._json import pretty_json
from mlops_cli._templates import render, render_yaml
from mlops_cli.bundle.manifest import short
from mlops_cli.config.sections.kubernetes import KubernetesConfig
from mlops_cli.exports.base import Rendered
from mlops_cli.exports.manifests import file_of
from mlops_cli.targets.kubernetes.manifests import KINDS, ROUTED, Spec, manifest, values_of
from mlops_cli.targets.kubernetes.naming import VERSION

_BEGIN, _END = "\ue000", "\ue001"  # of a mark: characters that are nobody's
_MARK = re.compile(f'"{_BEGIN}([a-z_]+){_END}"')
_SCALES = "(int .Values.replicas.min) (int .Values.replicas.max)"
_HELM = {
    "namespace": ".Release.Namespace",
    "image": ".Values.image",
    "digest": ".Values.digest",
    "version": ".Values.digest | trunc 12",
    "pull_policy": ".Values.pull_policy",
    "pull_secret": ".Values.pull_secret",
    "min": "int .Values.replicas.min",
    "max": "int .Values.replicas.max",
    "cpu": "int .Values.autoscaling.cpu",
    "scale_down_after": "int .Values.autoscaling.scale_down_after",
    "type": ".Values.service.type",
    "port": "int .Values.service.port",
    "node_port": "int .Values.service.node_port",
    "resources": ".Values.resources",
    "timeout": "int .Values.timeout",
}
# What is there only under a condition: the lines, as they stand in a manifest with marks.
_OPTIONAL = (
    (rf'^ *replicas: "{_BEGIN}min{_END}"\n', f"ge {_SCALES}"),
    (rf'^ *nodePort: "{_BEGIN}node_port{_END}"\n', ".Values.service.node_port"),
    (
        rf'^ *imagePullSecrets:\n *- name: "{_BEGIN}pull_secret{_END}"\n',
        ".Values.pull_secret",
    ),
)


def helm_files(spec: Spec, *, number: str) -> Rendered:
    """The chart, as files by their path in it; `number` is the version's in the registry."""
    values = _marked(spec)
    left_out = {*ROUTED, *(["HorizontalPodAutoscaler"] if _by_keda(spec) else [])}
    kinds = [kind for kind in KINDS if kind not in left_out]
    files = {
        "Chart.yaml": render_yaml(
            "helm/Chart.yaml.j2",
            name=spec.name,
            project=spec.project,
            chart=f"0.{number or 0}.0+{short(spec.digest)}",
            version=short(spec.digest),
        ),
        "values.yaml": _values(spec),
        "values.schema.json": pretty_json(_schema()),
        "templates/NOTES.txt": render("helm/NOTES.txt.j2", name=spec.name),
    }
    files |= {f"templates/{file_of(kind)}": _template(kind, spec, values) for kind in kinds}
    return Rendered(files, tuple(_remarks(spec)))


def _by_keda(spec: Spec) -> bool:
    return spec.config.autoscaling.by == "keda"


def _remarks(spec: Spec) -> list[str]:
    found = []
    if spec.config.load:
        found.append("the chart pulls no image (pull_policy: Never): load it onto every node first")
    if _by_keda(spec):
        found.append("the chart has no autoscaler, since deploy.kubernetes.autoscaling.by is keda")
    return found


def _mark(name: str) -> str:
    return f"{_BEGIN}{name}{_END}"


def _marked(spec: Spec) -> dict[str, Any]:
    """The values of the templates, with a mark for each that the chart lets somebody choose."""
    values = values_of(spec)
    names = ("namespace", "image", "digest", "pull_policy", "pull_secret", "timeout", "resources")
    marked = {name: _mark(name) for name in names}
    groups: Mapping[str, tuple[str, ...]] = {
        "replicas": ("min", "max"),
        "autoscaling": ("cpu", "scale_down_after"),
        "service": ("type", "port", "node_port"),
    }
    parts = {group: {name: _mark(name) for name in names} for group, names in groups.items()}
    version = {"app.kubernetes.io/version": _mark("version"), VERSION: _mark("version")}
    digest = {key: _mark("digest") if value == spec.digest else value
              for key, value in values["version_annotations"].items()}  # fmt: skip
    return {
        **values,
        **marked,
        **parts,
        "scales": spec.scales and _by_keda(spec),
        "version_labels": values["version_labels"] | version,
        "version_annotations": digest,
    }


def _template(kind: str, spec: Spec, values: Mapping[str, Any]) -> str:
    text = manifest(kind, spec, values)
    text = text.replace("{{", '{{ "{{" }}')  # what is Helm's own is only what follows
    for lines, condition in _OPTIONAL:
        found = re.search(lines, text, flags=re.MULTILINE)
        if found is not None:
            text = text.replace(found[0], _only(condition, found[0]))
    text = _MARK.sub(lambda found: f"{{{{ {_HELM[found[1]]} | toJson }}}}", text)
    return _only(f"lt {_SCALES}", text) if kind == "HorizontalPodAutoscaler" else text


def _only(condition: str, lines: str) -> str:
    return f"{{{{- if {condition} }}}}\n{lines}{{{{- end }}}}\n"


def _values(spec: Spec) -> str:
    config = spec.config.model_dump()
    values = values_of(spec)
    return render_yaml(
        "helm/values.yaml.j2",
        **{name: values[name] for name in ("image", "digest", "pull_policy", "timeout")},
        **{name: config[name] for name in ("replicas", "service", "resources", "pull_secret")},
        autoscaling=values["autoscaling"],
        keda=_by_keda(spec),
    )


def _schema() -> dict[str, Any]:
    """What the values may be: the configuration's own schema, times as whole seconds."""
    whole = KubernetesConfig.model_json_schema()
    own = whole["properties"]
    kept = {n: own[n] for n in ("replicas", "service", "resources", "pull_secret")}
    autoscaling = whole["$defs"]["AutoscalingConfig"]["properties"]
    seconds = {"type": "integer", "minimum": 0, "maximum": 3600}
    properties = {
        "image": {"type": "string", "minLength": 1},
        "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "pull_policy": {"enum": ["IfNotPresent", "Never", "Always"]},
        "timeout": {"type": "integer", "minimum": 5},
        "autoscaling": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"cpu": autoscaling["cpu"], "scale_down_after": seconds},
            "required": ["cpu", "scale_down_after"],
        },
        "global": {"type": "object"},
        **kept,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": ["image", "digest", "replicas", "service", "resources", "timeout"],
        "properties": properties,
        "$defs": {name: part for name, part in whole["$defs"].items() if name in _NEEDED},
    }


_NEEDED = ("ReplicasConfig", "ServiceConfig", "ResourcesConfig", "Amounts")
