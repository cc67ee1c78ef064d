"""Why a pod does not come up, in its own words."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mlops_cli._json import message_of
from mlops_cli.targets.kubernetes.faults import ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import Object

_NO_LOGS = "unable to retrieve container logs"  # said as if it were a line, between two restarts
_LOG_TRIES = 3
_BETWEEN_TRIES = 0.5  # seconds
_LOG_LINES = 8
_NORMAL = ("ContainerCreating", "PodInitializing")
_HOPELESS = ("InvalidImageName", "ErrImageNeverPull")  # waiting makes none of them well
_CRASHES = 3  # so many, and it is no accident
_HINTS = {
    "image": "does the image exist, and may the nodes pull it? deploy.kubernetes.registry, load, "
    "image and pull_secret say how it gets there",
    "crash": "its log says why; mlops package --build checks an image before it is used",
    "capacity": "kubectl describe nodes; lower deploy.kubernetes.resources or replicas",
    "pod": "kubectl describe pod; kubectl get events",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with one pod; `hopeless` where waiting does not help."""

    kind: str
    pod: str
    reason: str
    message: str = ""
    hopeless: bool = False
    crashed: bool = False
    container: str = "server"

    @property
    def said(self) -> str:
        """The same in a line."""
        message = f": {self.message}" if self.message else ""
        return f"pod {self.pod}: {self.reason}{message[:500]}"

    def fault(self, log: str = "") -> ClusterFault:
        """The same as an error, with the last lines that the pod wrote."""
        lines = f"; its last lines:\n{log}" if log else ""
        return ClusterFault(self.kind, f"{self.said}{lines}", hint=_HINTS[self.kind])


def ready(pod: Object) -> bool:
    """Whether requests are sent to it, and it was not told to go."""
    return _condition(pod, "Ready").get("status") == "True" and not leaving(pod)


def runs(pod: Object) -> bool:
    """Whether its server runs."""
    statuses = pod["status"].get("containerStatuses", [])
    return any(s["name"] == "server" and "running" in s["state"] for s in statuses)


def leaving(pod: Object) -> bool:
    """Whether it was told to go."""
    return "deletionTimestamp" in pod["metadata"]


def trouble(pod: Object) -> Trouble | None:
    """What is wrong with a pod; None where it is well, or has just been made."""
    name = pod["metadata"]["name"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        reason, message = scheduled.get("reason", "not scheduled"), scheduled.get("message", "")
        return Trouble("capacity", name, reason, message)
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, []):
            if not container.get("ready"):
                return _container(name, container)
    return None


def last_words(kubectl: Kubectl, found: Trouble) -> str:
    """The last lines that the pod wrote, of the run that died where one did; empty if none."""
    options = ["logs", found.pod, f"--container={found.container}", f"--tail={_LOG_LINES}"]
    for number, more in enumerate((["--previous"], []) * _LOG_TRIES if found.crashed else ([],)):
        time.sleep(_BETWEEN_TRIES if number else 0)
        with suppress(ClusterFault):  # it never ran, or may not be read: the reason stands alone
            said = kubectl.run(*options, *more).strip()
            if said and not said.startswith(_NO_LOGS):
                return "\n".join(map(message_of, said.splitlines()))[-800:]
    return ""


def _container(pod: str, container: dict[str, Any]) -> Trouble | None:
    waiting, called = container["state"].get("waiting"), container["name"]
    ended = container["state"].get("terminated") or container.get("lastState", {}).get("terminated")
    if ended:
        crashes = container.get("restartCount", 0) + ("terminated" in container["state"])
        how = waiting["reason"] if waiting else ended.get("reason", "Error")
        what = "the copy of the candidate" if called == "candidate" else "the server"
        message = f"{what} ended with code {ended.get('exitCode')} ({ended.get('reason')})"
        hopeless = crashes >= _CRASHES
        return Trouble("crash", pod, how, message, hopeless, crashed=True, container=called)
    if waiting and waiting.get("reason") not in _NORMAL:
        reason, message = waiting.get("reason", "waiting"), waiting.get("message", "")
        kind = "image" if "Image" in reason else "pod"
        return Trouble(kind, pod, reason, message, reason in _HOPELESS, container=called)
    return None


def _condition(pod: Object, kind: str) -> dict[str, Any]:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((dict(c) for c in conditions if c["type"] == kind), {})
