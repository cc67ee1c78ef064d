"""A rollout, as it goes: waited for, and when it does not come up, its reason."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from mlops_cli.bundle.manifest import short
from mlops_cli.progress import Progress
from mlops_cli.targets.kubernetes.faults import REPLACED, ClusterFault, fault_of
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object
from mlops_cli.targets.kubernetes.naming import (
    DIGEST,
    MANAGED_BY,
    MANAGER,
    NAME,
    owned_selector,
)
from mlops_cli.targets.kubernetes.pods import Trouble, last_words, leaving, ready, trouble

REVISION = "deployment.kubernetes.io/revision"
_ENDED = ("Succeeded", "Failed")  # an evicted pod is only a record
_STEP = 1.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Look:
    """The Deployment and its pods at one time; `newest` are the pods of the spec it has now."""

    deployment: Object | None
    pods: tuple[Object, ...]
    newest: tuple[Object, ...]

    @property
    def complete(self) -> bool:
        """Whether every pod that is wanted is there, of the newest spec, and available."""
        if self.deployment is None:
            return False
        status: dict[str, Any] = self.deployment.get("status", {})
        updated = status.get("updatedReplicas", 0)
        return bool(
            status.get("observedGeneration", 0) >= self.deployment["metadata"]["generation"]
            and updated >= self.deployment["spec"]["replicas"]
            and status.get("replicas", 0) <= updated
            and status.get("availableReplicas", 0) >= updated
        )

    @property
    def settled(self) -> bool:
        """Whether it is complete and no pod of another spec is still about to end."""
        return self.complete and len(self.newest) == len(self.pods)

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the Deployment; empty where it has none of that kind."""
        conditions = (self.deployment or {}).get("status", {}).get("conditions", [])
        return next((dict(c) for c in conditions if c["type"] == kind), {})


def look(kubectl: Kubectl, name: str) -> Look:
    """What the cluster says now of our Deployment of that name."""
    kinds = ("deployments.apps", "replicasets.apps", "pods")
    found = kubectl.items(kinds, f"--selector={MANAGED_BY}={MANAGER},{NAME}={name}")
    deployment = next((x for x in found if x["kind"] == "Deployment"), None)
    pods = [x for x in found if x["kind"] == "Pod" and x["status"].get("phase") not in _ENDED]
    revision = (deployment or {}).get("metadata", {}).get("annotations", {}).get(REVISION)
    newest = {
        x["metadata"]["uid"]
        for x in found
        if x["kind"] == "ReplicaSet"
        and x["metadata"].get("annotations", {}).get(REVISION) == revision
    }
    mine = [p for p in pods if any(o["uid"] in newest for o in _owners(p))]
    return Look(deployment, tuple(pods), tuple(mine))


def pods_of(kubectl: Kubectl, name: str) -> list[Object]:
    """Every pod of the project that has not ended, of champion and candidate."""
    found = kubectl.items(["pods"], f"--selector={owned_selector(name)}")
    return [x for x in found if x["status"].get("phase") not in _ENDED]


def wait(kubectl: Kubectl, name: str, *, digest: str, until: float, progress: Progress) -> None:
    """Return when the spec of `digest` is rolled out and nothing of another one answers any more.

    `until` is a time of `time.monotonic`. Raises `ClusterFault` with the pod's own reason and last
    lines where it is not complete by then, or never will be; of the kind `REPLACED` where another
    spec took its place.
    """
    told = None
    while True:
        seen = look(kubectl, name)
        if seen.deployment is not None and (current := digest_of(seen.deployment)) != digest:
            raise replaced(current)
        if seen.settled:
            return
        late = time.monotonic() > until
        if seen.complete and not late:
            progress.update("the version before finishes what it was asked")
        elif seen.complete:
            return
        else:
            told = _judge(kubectl, seen, late=late, told=told, progress=progress)
        time.sleep(_STEP)


def digest_of(deployment: Object) -> str:
    """The digest of the bundle that it should serve; empty where it names none."""
    return str(deployment["metadata"].get("annotations", {}).get(DIGEST, ""))


def replaced(digest: str) -> ClusterFault:
    """The error that says that somebody else's deploy, of `digest`, came between."""
    return ClusterFault(
        REPLACED,
        f"another deploy was rolled out meanwhile: {short(digest) or 'one without a digest'}",
        hint="mlops status says what answers; deploy again if it should be another version",
    )


def _judge(
    kubectl: Kubectl, seen: Look, *, late: bool, told: str | None, progress: Progress
) -> str | None:
    """Raise where there is no hope; else say how far it is, and what is wrong, once."""
    failure = seen.condition("ReplicaFailure")
    if failure.get("status") == "True":
        fault = fault_of(str(failure.get("message", "")))
        if late or fault.has_kind("security"):
            raise fault
    found = next((t for pod in seen.newest if (t := trouble(pod)) is not None), None)
    if found is not None and (late or found.hopeless):
        raise found.fault(last_words(kubectl, found))
    if late:
        raise _slow(kubectl, seen)
    _show(seen, progress)
    if found is not None and found.reason != told:
        progress.log(f"pod {found.pod}: {found.reason}")
        return found.reason
    return told


def _show(seen: Look, progress: Progress) -> None:
    wanted = int((seen.deployment or {}).get("spec", {}).get("replicas", 0))
    there = sum(ready(pod) for pod in seen.newest)
    digest = digest_of(seen.deployment) if seen.deployment else ""
    progress.update(f"pods of {short(digest)} are ready", done=there, total=wanted)


def _slow(kubectl: Kubectl, seen: Look) -> ClusterFault:
    """The reason of a pod that is neither ready nor in any named trouble: its last event."""
    for pod in seen.newest:
        if ready(pod) or leaving(pod):
            continue
        name = pod["metadata"]["name"]
        chosen = f"--field-selector=involvedObject.name={name},type=Warning"
        events = kubectl.items(["events"], chosen, "--sort-by=.lastTimestamp")
        said = str(events[-1].get("message", "")) if events else "it is not ready, and says no more"
        slow = Trouble("pod", name, "not ready in time", said)
        return slow.fault(last_words(kubectl, slow))
    return ClusterFault(
        "pod", "the Deployment was not rolled out in time", hint="raise deploy.kubernetes.timeout"
    )


def _owners(pod: Object) -> list[dict[str, Any]]:
    return list(pod["metadata"].get("ownerReferences", []))
