"""The rollout of a deployment on a cluster: its document, its pods and its route; see
`KeepsRollout`."""

from __future__ import annotations

from contextlib import suppress

from mlops_cli.errors import UsageError
from mlops_cli.serving.rollouts.traffic import CANDIDATE, CHAMPION, Document, parse_document
from mlops_cli.targets import control
from mlops_cli.targets.base import Counted, Kept, RolloutMoved
from mlops_cli.targets.kubernetes.asked_pods import AskedPod, asked_pods, of_each
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.naming import candidate_name
from mlops_cli.targets.kubernetes.pods import ready, trouble
from mlops_cli.targets.kubernetes.rollout import look
from mlops_cli.targets.kubernetes.rollout_map import (
    delete_document,
    files_of,
    for_arm,
    read_document,
    read_seen,
    write_document,
    write_seen,
)
from mlops_cli.targets.kubernetes.route import as_routed, divide

_AWAY = (control.Away, control.Unrouted, control.Busy, RolloutMoved)


class PodRollout:
    """What `KeepsRollout` asks of the deployment `name`.

    `routed` is the port of its Services where a route divides its traffic.

    The ConfigMap is the truth. Pods are told at once; each also has it mounted, so that one that
    starts, or could not be told, obeys it, too.
    """

    def __init__(self, kubectl: Kubectl, name: str, *, routed: int | None) -> None:
        self._cluster = kubectl
        self._deployed = name
        self._routed = routed

    def rollout(self) -> Kept | None:
        """What the ConfigMap holds; with a route, with the share that the route has."""
        kept = read_document(self._cluster, self._deployed)
        if kept is None or self._routed is None:
            return kept
        return as_routed(self._cluster, self._deployed, kept)

    def keep_rollout(self, document: bytes, after: Kept | None) -> None:
        """See `KeepsRollout.keep_rollout`."""
        parsed = parse_document(document)
        files = files_of(document, parsed, routed=self._routed is not None)
        write_document(self._cluster, self._deployed, files, after)
        try:
            self._tell(document, parsed)
        except UsageError:
            self._undo(after)
            raise

    def tell_rollout(self, document: bytes) -> None:
        """See `KeepsRollout.tell_rollout`."""
        with suppress(UsageError):
            self._tell(document, parse_document(document))

    def counted(self) -> tuple[Counted, ...]:
        """See `KeepsRollout.counted`: where none is kept, of pods that hold a candidate, if any."""
        pods = asked_pods(self._cluster, self._deployed)
        divided = any(pod.divided for pod in pods)
        if not divided and read_document(self._cluster, self._deployed) is None:
            return ()
        found = of_each(pods, _counted)
        return tuple(one for one in found if one is not None)

    def seen(self) -> bytes | None:
        """See `KeepsRollout.seen`."""
        return read_seen(self._cluster, self._deployed)

    def keep_seen(self, content: bytes) -> None:
        """See `KeepsRollout.keep_seen`."""
        write_seen(self._cluster, self._deployed, content)

    def candidate_fault(self) -> str | None:
        """See `TellsOfCandidate.candidate_fault`: of one that has pods of its own.

        For pods that wait for room on a node the cluster is to blame, not the candidate.
        """
        if self._routed is None:
            return None
        seen = look(self._cluster, candidate_name(self._deployed))
        if seen.deployment is None:
            return "the candidate's Deployment is gone"
        if any(map(ready, seen.pods)):
            return None
        found = (t for pod in seen.newest if (t := trouble(pod)) is not None)
        crashed = next((t for t in found if t.kind != "capacity"), None)
        return f"no pod of the candidate answers: {crashed.said}" if crashed is not None else None

    def _tell(self, document: bytes, parsed: Document) -> None:
        """The route, then every pod. What one pod cannot load, none can: so one is asked first."""
        if self._routed is not None:
            divide(self._cluster, self._deployed, self._routed, parsed.traffic)
        pods = asked_pods(self._cluster, self._deployed)
        told = [(pod, text) for pod in pods if (text := self._text(pod, document, parsed))]
        for pod, text in told[:1]:
            with suppress(*_AWAY):
                control.put(pod.server, text, after=None)
        rest = dict(told[1:])
        of_each(rest, lambda pod: _put(pod, rest[pod]))

    def _text(self, pod: AskedPod, document: bytes, parsed: Document) -> bytes | None:
        """What a pod is told; nothing where it holds neither version, as one that has just ended
        its part does."""
        traffic = parsed.traffic
        if traffic is None:
            return document
        if self._routed is None:
            return document if pod.digest == traffic.champion else None
        arms = {traffic.champion: CHAMPION, traffic.candidate: CANDIDATE}
        return for_arm(parsed, arm) if (arm := arms.get(pod.digest)) else None

    def _undo(self, after: Kept | None) -> None:
        if after is None:
            delete_document(self._cluster, self._deployed)
            return
        before = parse_document(after.document)
        files = files_of(after.document, before, routed=self._routed is not None)
        now = read_document(self._cluster, self._deployed)
        with suppress(RolloutMoved):
            write_document(self._cluster, self._deployed, files, now)


def _counted(pod: AskedPod) -> Counted | None:
    with suppress(*_AWAY):
        return control.counted(pod.server)
    return None


def _put(pod: AskedPod, document: bytes) -> None:
    with suppress(UsageError, *_AWAY):
        control.put(pod.server, document, after=None)
