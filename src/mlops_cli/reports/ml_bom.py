"""What a model is, of what it was made and how good it is: an ML-BOM, as CycloneDX has it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlops_cli.bundle.manifest import Manifest
from mlops_cli.bundle.reader import Bundle
from mlops_cli.config.project import Project
from mlops_cli.governance.candidate import provenance
from mlops_cli.governance.sources import files_read
from mlops_cli.packaging.sbom import document

Json = dict[str, Any]
_ENDS = ("_low", "_high")
_TASKS = {
    "binary": "binary classification",
    "multiclass": "multiclass classification",
    "regression": "regression",
}


def ml_bom(
    project: Project,
    bundle: Bundle,
    metrics: Mapping[str, float | None],
    told: Mapping[str, str | None],
) -> bytes:
    """The bill of the model of the workspace: CycloneDX 1.6 as canonical JSON.

    The model with its card, the tables that it was made from, and the packages that serve it.
    `metrics` are those of the hold-out, `told` what `governance/card.yaml` tells by its keys. The
    same model with the same card has the same bill, to the byte.
    """
    made = provenance(bundle)
    data = [*_tables(project)]
    packages = [_package(n, v) for n, v in bundle.requirements().items()]
    model = _model(bundle, _card(project, bundle.manifest, data, metrics, told))
    below = [part["bom-ref"] for part in (*data, *packages)]
    time = made.get("time")
    return document(
        {
            "metadata": ({"timestamp": time} if isinstance(time, str) else {})
            | {"tools": {"components": [_tool(made)]}, "component": model},
            "components": [*data, *packages],
            "dependencies": [
                {"ref": model["bom-ref"], "dependsOn": below},
                *({"ref": ref, "dependsOn": []} for ref in below),
            ],
        }
    )


def _model(bundle: Bundle, card: Json) -> Json:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model@{bundle.digest}",
        "name": bundle.manifest.project,
        "version": bundle.version,
        "hashes": [{"alg": "SHA-256", "content": bundle.digest}],
        "modelCard": card,
    }


def _tool(made: Json) -> Json:
    said: Json = {"type": "application", "name": "mlops-cli"}
    release = made.get("mlops_cli_version")
    return said | ({"version": release} if isinstance(release, str) else {})


def _tables(project: Project) -> Iterator[Json]:
    """The tables of the configuration, as the last run read them; `md5` is how DVC names them."""
    known = files_read(project.root)
    for table in project.tables:
        part: Json = {"type": "data", "bom-ref": f"data:{table}", "name": table}
        if digest := known.get(table):
            part["hashes"] = [{"alg": "MD5", "content": digest}]
        sensitive = [*project.config.data.sensitive] if table == project.config.data.table else []
        said: Json = {"type": "dataset", "name": table}
        if sensitive:
            said["sensitiveData"] = sensitive
        yield part | {"data": [said]}


def _package(name: str, release: str) -> Json:
    url = f"pkg:pypi/{name}@{release}"
    return {"type": "library", "bom-ref": url, "name": name, "version": release, "purl": url}


def _card(
    project: Project,
    manifest: Manifest,
    data: list[Json],
    metrics: Mapping[str, float | None],
    told: Mapping[str, str | None],
) -> Json:
    inputs = [{"format": f"{i.name}: {i.type}"} for i in manifest.inputs]
    outputs = [{"format": f"{manifest.target.name}: {manifest.task}"}]
    card: Json = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": _TASKS[manifest.task],
            "modelArchitecture": f"{project.config.train.estimator}, served as {manifest.model}",
            "datasets": [{"ref": part["bom-ref"]} for part in data],
            "inputs": inputs,
            "outputs": outputs,
        }
    }
    if measured := [*_measured(metrics)]:
        card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    if considered := _considered(told):
        card["considerations"] = considered
    return card


def _measured(metrics: Mapping[str, float | None]) -> Iterator[Json]:
    """The metrics of the hold-out, with the ends of their intervals where they have some."""
    for name in sorted(n for n in metrics if not n.endswith(_ENDS)):
        if (value := metrics[name]) is None:
            continue
        said: Json = {"type": name, "value": repr(value), "slice": "hold-out"}
        low, high = (metrics.get(name + end) for end in _ENDS)
        if low is not None and high is not None:
            said["confidenceInterval"] = {"lowerBound": repr(low), "upperBound": repr(high)}
        yield said


def _considered(told: Mapping[str, str | None]) -> Json:
    """What a person told of the model, under the names that the form has for it."""
    known = {key: text.strip() for key, text in told.items() if text and text.strip()}
    lists = {"users": ("users",), "useCases": ("purpose",), "technicalLimitations": ("limits",)}
    found: Json = {
        name: [known[key] for key in keys if key in known] for name, keys in lists.items()
    }
    if "out_of_scope" in known:
        found["technicalLimitations"].append(f"not for: {known['out_of_scope']}")
    if "risks" in known:
        found["ethicalConsiderations"] = [{"name": known["risks"]}]
    return {name: value for name, value in found.items() if value}
