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
CANDIDATE = f"{DOMAIN}/candidate"  # the digest of what is beside the champion in its pods
ROUTER = f"{DOMAIN}/router"  # of a Deployment whose traffic a Gateway API route brings
NAME = "app.kubernetes.io/name"
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


def rollout_name(name: str) -> str:
    """The ConfigMap of a rollout's document; stop takes it away."""
    return f"{name}-rollout"


def counts_name(name: str) -> str:
    """The ConfigMap of what was last seen of the counts of a rollout."""
    return f"{name}-rollout-counts"


def candidate_name(name: str) -> str:
    """What the objects of a candidate are called that has pods of its own."""
    return f"{name}-candidate"


def pod_selector(name: str) -> dict[str, str]:
    """The labels that choose our pods, of any version; a Deployment's can never be changed."""
    return {NAME: name, "app.kubernetes.io/instance": name}


def labels(name: str, called: str | None = None) -> dict[str, str]:
    """The labels of every object of ours; they stay the same from version to version.

    `called` is what the objects are called, where that is not `name`.
    """
    return pod_selector(called or name) | {
        "app.kubernetes.io/component": "model-server",
        MANAGED_BY: MANAGER,
        PROJECT: name,
    }


def version_labels(name: str, digest: str, called: str | None = None) -> dict[str, str]:
    """Those of the Deployment and its pods: a label holds 63 characters, so the short digest."""
    version = short(digest)
    return labels(name, called) | {"app.kubernetes.io/version": version, VERSION: version}


def owned_selector(name: str) -> str:
    """kubectl's selector of every object that is ours, of this project."""
    return f"{MANAGED_BY}={MANAGER},{PROJECT}={name}"
