"""What a rollout on a cluster is told, by the port of targets, and what an account may do there."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from clusters import kubectl
from mlops_cli.serving import contract
from mlops_cli.serving.rollouts.traffic import Document, Traffic
from mlops_cli.targets.base import Release
from mlops_cli.targets.kubernetes.rights import tick_rights

PROJECT = "rollout-delays"
SERVE = {
    contract.CONTROL_FILE: contract.CONTROL,
    contract.ROLLOUT: f"{contract.ROLLOUTS}/rollout.json",
}
OURS = f"mlops-cli.dev/project={PROJECT}"
KINDS = "deployments,services,hpa,pdb,networkpolicies,serviceaccounts,configmaps,secrets"
ROUTED = "gateways.gateway.networking.k8s.io,httproutes.gateway.networking.k8s.io"


def document(pair: tuple[Release, Release], generation: int, percent: float, path: str) -> bytes:
    traffic = Traffic(
        salt="salt",
        champion=pair[0].digest,
        candidate=pair[1].digest,
        percent=percent,
        step=generation,
        candidate_path=path,
    )
    return msgspec.json.encode(Document(generation, traffic))


def over(generation: int) -> bytes:
    return msgspec.json.encode(Document(generation))


def names(namespace: str, kinds: str = KINDS) -> set[str]:
    return set(kubectl("get", kinds, "-l", OURS, "-o", "name", namespace=namespace).split())


ACCOUNT = "tick"


def account_of(namespace: str, folder: Path, *, routed: bool) -> Path:
    """A kubeconfig of a ServiceAccount that has the rights of a tick, and no others."""
    rules: list[dict[str, Any]] = [
        {"apiGroups": [r.group], "resources": r.resources, "verbs": r.verbs}
        | ({"resourceNames": r.names} if r.names else {})
        for r in tick_rights(PROJECT, routed=routed, logged=False)
    ]
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "rules": rules,
    }
    role |= {"metadata": {"name": ACCOUNT, "namespace": namespace}}
    kubectl("create", "serviceaccount", ACCOUNT, namespace=namespace)
    kubectl("apply", "-f", "-", given=json.dumps(role))
    who = [f"--role={ACCOUNT}", f"--serviceaccount={namespace}:{ACCOUNT}"]
    kubectl("create", "rolebinding", ACCOUNT, *who, namespace=namespace)
    token = kubectl("create", "token", ACCOUNT, namespace=namespace).strip()
    config = yaml.safe_load(kubectl("config", "view", "--minify", "--raw", "--flatten"))
    config["users"][0]["user"] = {"token": token}
    file = folder / ACCOUNT
    file.write_text(yaml.safe_dump(config))
    return file


def api_server() -> str:
    config = yaml.safe_load(kubectl("config", "view", "--minify"))
    return urlsplit(config["clusters"][0]["cluster"]["server"]).hostname or ""


def reached(pod: Any) -> bool:
    connection = http.client.HTTPConnection(pod["status"]["podIP"], contract.PORT, timeout=3)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def may(what: str, namespace: str) -> bool:
    asked = ["kubectl", "auth", "can-i", *what.split(), f"--namespace={namespace}"]
    done = subprocess.run(asked, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() == "yes"
