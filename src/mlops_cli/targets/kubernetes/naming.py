"""What our objects are called, and how they are told from everybody else's."""

from __future__ import annotations

import hashlib
import re

from mlops_cli.bundle.manifest import short

DOMAIN = "mlops-cli.dev"
MANAGER = "mlops"
DIGEST = f"{DOMAIN}/digest"
PROJECT = f"{DOMAIN}/project"
VERSION = f"{DOMAIN}/version"
KEYS = f"{DOMAIN}/keys"
CONTROL = f"{DOMAIN}/control"
ANCHOR = f"{DOMAIN}/audit"  # the entry of the audit log that tells of what is deployed
PROJECT_NAME = f"{DOMAIN}/project-name"
MANAGED_BY = "app.kubernetes.io/managed-by"
_LONGEST = 45  # with what a ReplicaSet adds a pod's name stays a host's name of 63


def object_name(project: str) -> str:
    """A project's name as a name in the cluster: a DNS-1035 label of at most 45 characters.

    A name that had to be changed for it ends in six digits of its hash, so that two projects
    never get the same one.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")
    if plain == project and plain[0].isalpha() and len(plain) <= _LONGEST:
        return plain
    digits = hashlib.sha256(project.encode()).hexdigest()[:6]
    stem = plain if plain[:1].isalpha() else f"m-{plain}"
    return f"{stem[: _LONGEST - 7].strip('-')}-{digits}"


def keys_name(name: str) -> str:
    """The Secret of the API keys: no deploy writes it, and none takes it away."""
    return f"{name}-keys"


def control_name(name: str) -> str:
    """The Secret of the control secret: each deploy writes it, and stop takes it away."""
    return f"{name}-control"


def pod_selector(name: str) -> dict[str, str]:
    """The labels that choose our pods, of any version; a Deployment's can never be changed."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": name}


def labels(name: str) -> dict[str, str]:
    """The labels of every object of ours; they stay the same from version to version."""
    return pod_selector(name) | {
        "app.kubernetes.io/component": "model-server",
        MANAGED_BY: MANAGER,
        PROJECT: name,
    }


def version_labels(name: str, digest: str) -> dict[str, str]:
    """Those of the Deployment and its pods: a label holds 63 characters, so the short digest."""
    version = short(digest)
    return labels(name) | {"app.kubernetes.io/version": version, VERSION: version}


def owned_selector(name: str) -> str:
    """kubectl's selector of every object that is ours, of this project."""
    return f"{MANAGED_BY}={MANAGER},{PROJECT}={name}"
