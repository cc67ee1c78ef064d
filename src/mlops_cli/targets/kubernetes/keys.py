"""API keys on a cluster: a Secret, mounted into every pod, and each pod told when it changes."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from mlops_cli.serving import contract
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.naming import KEYS, keys_name, labels, pod_selector

_FILE = Path(contract.KEYS).name


def read_keys(kubectl: Kubectl, name: str) -> bytes | None:
    """The file in the Secret of the deployment `name`; None where there is no such Secret."""
    secret = kubectl.json("get", f"secret/{keys_name(name)}", "--ignore-not-found")
    return base64.b64decode(secret.get("data", {}).get(_FILE, "")) if secret else None


def write_keys(kubectl: Kubectl, name: str, content: bytes) -> None:
    """Put the file into the Secret, and have every node look at it now.

    A kubelet looks at the Secrets of a pod once a minute, and when the pod itself has changed: so
    each pod gets another annotation.
    """
    metadata = {"name": keys_name(name), "namespace": kubectl.namespace, "labels": labels(name)}
    data = {_FILE: base64.b64encode(content).decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
    kubectl.apply([secret], force=True)
    selector = ",".join(f"{key}={value}" for key, value in pod_selector(name).items())
    mark = hashlib.sha256(content).hexdigest()[:12]
    kubectl.run("annotate", "pods", f"--selector={selector}", "--overwrite", f"{KEYS}={mark}")
