"""API keys and the control secret on a cluster: Secrets, mounted into every pod.

A kubelet looks at the Secrets of a pod once a minute, and when the pod itself has changed: so each
pod gets another annotation when one changes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from mlops_cli.serving import contract
from mlops_cli.serving.auth import new_control_secret
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.naming import (
    CONTROL,
    KEYS,
    control_name,
    keys_name,
    labels,
    owned_selector,
)


def read_keys(kubectl: Kubectl, name: str) -> bytes | None:
    """The file in the Secret of the deployment `name`; None where there is no such Secret."""
    return _read(kubectl, keys_name(name), contract.KEYS)


def write_keys(kubectl: Kubectl, name: str, content: bytes) -> None:
    """Put the file into the Secret, and have every node look at it now."""
    _write(kubectl, name, keys_name(name), contract.KEYS, content)
    _tell(kubectl, name, KEYS, content)


def read_control(kubectl: Kubectl, name: str) -> str | None:
    """The control secret of the deployment `name`; None where there is none."""
    found = _read(kubectl, control_name(name), contract.CONTROL)
    return found.decode() if found else None


def rotate_control(kubectl: Kubectl, name: str) -> None:
    """Make another control secret, and have every node look at it now."""
    secret = new_control_secret().encode()
    _write(kubectl, name, control_name(name), contract.CONTROL, secret)
    _tell(kubectl, name, CONTROL, secret)


def delete_control(kubectl: Kubectl, name: str) -> None:
    """Leave no control secret behind."""
    kubectl.run("delete", f"secret/{control_name(name)}", "--ignore-not-found")


def _read(kubectl: Kubectl, secret: str, path: str) -> bytes | None:
    found = kubectl.json("get", f"secret/{secret}", "--ignore-not-found")
    return base64.b64decode(found.get("data", {}).get(Path(path).name, "")) if found else None


def _write(kubectl: Kubectl, name: str, secret: str, path: str, content: bytes) -> None:
    metadata = {"name": secret, "namespace": kubectl.namespace, "labels": labels(name)}
    data = {Path(path).name: base64.b64encode(content).decode()}
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    kubectl.apply([made], force=True)


def _tell(kubectl: Kubectl, name: str, annotation: str, content: bytes) -> None:
    selector = owned_selector(name)
    mark = hashlib.sha256(content).hexdigest()[:12]
    kubectl.run("annotate", "pods", f"--selector={selector}", "--overwrite", f"{annotation}={mark}")
