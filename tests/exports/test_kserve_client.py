"""The InferenceService, held to the classes that KServe generates from its own schema."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

import exported
from mlops_cli.exports.kserve import kserve_files

CLIENTS = os.environ.get("MLOPS_CLIENTS")
# Every field must be one of its class, by the name that its schema has; what it holds likewise.
HOLD = """
import json, re, sys
import kubernetes.client.models, kserve.models
from kserve import V1beta1InferenceService

def named(kind):
    kind = re.sub("^K8sIoApi[A-Z][a-z]+", "", kind)
    return getattr(kserve.models, kind, None) or getattr(kubernetes.client.models, kind)

def hold(kind, value, path):
    holds = kind.replace("(", "[").lower().partition("[")[0]
    inner = kind[len(holds) + 1 : -1].rpartition("str, ")[2]
    if holds == "list":
        assert isinstance(value, list), path
        for i, part in enumerate(value):
            hold(inner, part, f"{path}[{i}]")
    elif holds == "dict":
        for key, part in value.items():
            hold(inner, part, f"{path}.{key}")
    elif kind in ("str", "int", "bool", "float"):
        assert type(value).__name__ == kind, f"{path}: {value!r} is no {kind}"
    elif kind in ("object", "ResourceQuantity", "V1ObjectMeta"):
        pass
    else:
        fields = {json: name for name, json in named(kind).attribute_map.items()}
        for key, part in value.items():
            assert key in fields, f"{path}.{key} is no field of {kind}"
            hold(named(kind).openapi_types[fields[key]], part, f"{path}.{key}")

hold("V1beta1InferenceService", json.load(sys.stdin), "")
"""


def held(thing: object) -> str:
    """What is wrong with it by KServe's classes; empty where nothing."""
    done = subprocess.run(
        [f"{CLIENTS}/kserve/bin/python", "-c", HOLD], input=json.dumps(thing), text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


@pytest.mark.extras
@pytest.mark.skipif(
    not (CLIENTS and Path(CLIENTS, "kserve").is_dir()),
    reason="MLOPS_CLIENTS does not name a folder with KServe's own package: nox -s clients",
)
def test_an_inference_service_is_what_kserve_says() -> None:
    made = kserve_files(exported.spec(pull_secret="login"))
    thing = yaml.safe_load(made.files["inference-service.yaml"])
    assert held(thing) == ""
    thing["spec"]["predictor"]["minReplica"] = 2
    assert "minReplica is no field of V1beta1PredictorSpec" in held(thing)
