"""Schemas of other projects' objects, of the Go modules in which they publish them, and held to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

# A kind, the module at the version that it is held to, and the file in it.
MODULES = {
    "Rollout": ("github.com/argoproj/argo-rollouts@v1.9.0", "manifests/crds/rollout-crd.yaml"),
    "AnalysisTemplate": (
        "github.com/argoproj/argo-rollouts@v1.9.0",
        "manifests/crds/analysis-template-crd.yaml",
    ),
    "AnalysisRun": (
        "github.com/argoproj/argo-rollouts@v1.9.0",
        "manifests/crds/analysis-run-crd.yaml",
    ),
    "Experiment": (
        "github.com/argoproj/argo-rollouts@v1.9.0",
        "manifests/crds/experiment-crd.yaml",
    ),
    "Application": (
        "github.com/argoproj/argo-cd/v3@v3.3.19",
        "manifests/crds/application-crd.yaml",
    ),
    "ScaledObject": (
        "github.com/kedacore/keda/v2@v2.20.2",
        "config/crd/bases/keda.sh_scaledobjects.yaml",
    ),
    "VirtualService": (
        "istio.io/api@v1.31.3",
        "kubernetes/customresourcedefinitions.gen.yaml",
    ),
    "DestinationRule": (
        "istio.io/api@v1.31.3",
        "kubernetes/customresourcedefinitions.gen.yaml",
    ),
}
# Read before the tests take the home away.
_HOME = Path.home()
_CACHE = os.environ.get("GOMODCACHE") or f"{os.environ.get('GOPATH', _HOME / 'go')}/pkg/mod"


@cache
def crd(kind: str) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind; skips the test where its module is not to be had."""
    module, file = MODULES[kind]
    texts = _file(module, file).split("\n---\n")
    text = next(text for text in texts if f"\n    kind: {kind}\n" in text)
    found: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return found


def hold(thing: dict[str, Any]) -> None:
    """Raise where an object is not what its project's schema says, or has a field it knows not."""
    version = thing["apiVersion"].partition("/")[2]
    versions = {v["name"]: v for v in crd(thing["kind"])["spec"]["versions"]}
    schema = _strict(versions[version]["schema"]["openAPIV3Schema"])
    texts = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    schema["properties"] |= texts | {"metadata": {"type": "object"}}
    jsonschema.Draft4Validator(schema).validate(thing)


@cache
def _file(module: str, file: str) -> str:
    if shutil.which("go") is None:
        pytest.skip("go is not on the PATH: it fetches the modules that have the schemas")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["go", "mod", "download", "-json", module],
            cwd=folder,
            env=os.environ
            | {"GOMODCACHE": _CACHE, "GOFLAGS": "-mod=mod", "GOCACHE": f"{folder}/cache"},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
    found = json.loads(done.stdout or "{}")
    if "Zip" not in found:
        pytest.skip(f"{module} cannot be fetched: {(found.get('Error') or done.stderr)[:200]}")
    with zipfile.ZipFile(found["Zip"]) as archive:
        return archive.read(f"{module}/{file}").decode()


def _strict(schema: Any) -> Any:
    """A structural schema of Kubernetes as JSON Schema, where no field is allowed but its own."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _strict(part) for name, part in value.items()}
        if key == "properties"
        else _strict(value)
        for key, value in schema.items()
    }
    if found.pop("x-kubernetes-int-or-string", False):
        found = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    open_ended = {"additionalProperties", "x-kubernetes-preserve-unknown-fields"} & found.keys()
    if "properties" in found and found.get("type") == "object" and not open_ended:
        found["additionalProperties"] = False
    if found.pop("nullable", False) and "type" in found:
        found["type"] = [found["type"], "null"]
    return found
