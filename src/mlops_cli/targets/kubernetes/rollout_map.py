"""The ConfigMaps of a rollout: its document, and what was last seen of its counts."""

from __future__ import annotations

import re

import msgspec

from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Arm, Document
from mlops_cli.targets.base import Kept, RolloutMoved
from mlops_cli.targets.kubernetes.faults import FORBIDDEN, ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.kubernetes.naming import counts_name, labels, rollout_name

FILE = "rollout.json"  # the document's, in its ConfigMap
ARMS: tuple[Arm, ...] = (CHAMPION, CANDIDATE)
_SEEN = "seen.json"
_OTHERS = re.compile(r"already exists|has been modified|not found")


def read_document(kubectl: Kubectl, name: str) -> Kept | None:
    """What is kept of the rollout of the deployment `name`; None where nothing is."""
    found = kubectl.json("get", f"configmap/{rollout_name(name)}", "--ignore-not-found")
    if not found:
        return None
    document = found.get("data", {}).get(FILE, "")
    return Kept(document.encode(), found["metadata"]["resourceVersion"])


def write_document(kubectl: Kubectl, name: str, files: dict[str, str], after: Kept | None) -> None:
    """Keep these files in the place of `after`; raises `RolloutMoved` where another is kept."""
    made = _made(kubectl, rollout_name(name), name, files)
    if after is not None:
        made["metadata"]["resourceVersion"] = after.revision
    given = msgspec.json.encode(made).decode()
    try:
        kubectl.run("replace" if after is not None else "create", "--filename=-", given=given)
    except ClusterFault as e:
        if not _OTHERS.search(e.said):
            raise
        kept = read_document(kubectl, name)  # a call that is made again finds its own
        if kept is None or kept.document != files[FILE].encode():
            raise RolloutMoved(
                "another command moved the rollout", hint="mlops rollout status"
            ) from e


def read_seen(kubectl: Kubectl, name: str) -> bytes | None:
    """What `write_seen` kept last."""
    found = kubectl.json("get", f"configmap/{counts_name(name)}", "--ignore-not-found")
    content = (found or {}).get("data", {}).get(_SEEN)
    return content.encode() if content else None


def write_seen(kubectl: Kubectl, name: str, content: bytes) -> None:
    """Keep this; the last one wins."""
    made = _made(kubectl, counts_name(name), name, {_SEEN: content.decode()})
    kubectl.apply([made], force=True)


def delete_maps(kubectl: Kubectl, name: str) -> None:
    """Leave no rollout behind; who may not has never begun one."""
    maps = (f"configmap/{rollout_name(name)}", f"configmap/{counts_name(name)}")
    try:
        kubectl.run("delete", *maps, "--ignore-not-found")
    except ClusterFault as e:
        if not e.has_kind(FORBIDDEN):
            raise


def delete_document(kubectl: Kubectl, name: str) -> None:
    """Leave no document behind."""
    kubectl.run("delete", f"configmap/{rollout_name(name)}", "--ignore-not-found")


def files_of(content: bytes, document: Document, *, routed: bool) -> dict[str, str]:
    """The files of a document: with `routed` one more for each arm."""
    files = {FILE: content.decode()}
    if routed:
        files |= {f"{arm}.json": for_arm(document, arm).decode() for arm in ARMS}
    return files


def for_arm(document: Document, arm: Arm) -> bytes:
    """The document as a server obeys it that holds one arm alone."""
    if (traffic := document.traffic) is not None:
        traffic = msgspec.structs.replace(traffic, arm=arm)
    return msgspec.json.encode(msgspec.structs.replace(document, traffic=traffic))


def _made(kubectl: Kubectl, called: str, name: str, files: dict[str, str]) -> Object:
    metadata = {"name": called, "namespace": kubectl.namespace, "labels": labels(name)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}
