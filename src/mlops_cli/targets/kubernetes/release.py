"""One deploy, step by step, and the way back where it fails."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_cli.bundle.manifest import short
from mlops_cli.progress import QUIET, Progress
from mlops_cli.targets.kubernetes.faults import CONFLICT, REPLACED, ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import KINDS, Key, Object, Spec
from mlops_cli.targets.kubernetes.naming import MANAGER, VERSION
from mlops_cli.targets.kubernetes.ownership import applied, owns
from mlops_cli.targets.kubernetes.rollout import digest_of, look, wait
from mlops_cli.targets.kubernetes.route import routed_share

SCALER = f"{MANAGER}-scale"  # holds the number of pods until the autoscaler takes it
HEARD = 10.0  # seconds until a gateway has surely heard of a route: its status tells nothing
_BACK = 60.0  # seconds for the way back
_DELETE_LIMIT = 60.0
# How a conflict names who applied the field (Argo CD, Flux); one who edited it says "using".
_DECLARED = re.compile(r'conflicts? with "([^"]+)"(?! (?:using|with subresource))')

_FIELD = re.compile(r"(?:: |- )(\.\S+)")


def rehearse(kubectl: Kubectl, wanted: Mapping[Key, Object], *, progress: Progress) -> bool:
    """Have the server check everything and keep nothing; returns whether to take fields back.

    What a person changed by hand is taken back, and said. Raises `ClusterFault` for what the
    server refuses, and where another tool declares the same fields: it would fight us for ever.
    """
    try:
        kubectl.apply(wanted.values(), dry_run=True)
    except ClusterFault as e:
        if not e.has_kind(CONFLICT):
            raise
        others = {name for name in _DECLARED.findall(e.said) if name not in (MANAGER, SCALER)}
        if others:
            raise
        if set(_FIELD.findall(e.said)) != {".spec.replicas"}:  # which changes hands by design
            progress.log(f"taken back from a change by hand: {e.message}")
        kubectl.apply(wanted.values(), force=True, dry_run=True)
        return True
    return False


@dataclass(frozen=True, slots=True)
class Rollout:
    """From `live`, what is ours now, to `wanted`, of which `changed` has to be applied."""

    kubectl: Kubectl
    spec: Spec
    live: Mapping[Key, Object]
    wanted: Mapping[Key, Object]
    changed: Mapping[Key, Object]

    def carry_out(self, *, until: float, force: bool, progress: Progress) -> None:
        """Apply, wait, prune; whatever happens before the end is undone, an interrupt, too.

        Nothing is undone once another deploy took over: the way back would go over that one.
        """
        try:
            self._hand_over(self.live.get(("Deployment", self.spec.name)))
            gone = [key for key in self.live if key not in self.wanted]
            # An autoscaler that is wanted no more would set its own number while we wait.
            self._delete([k for k in gone if k == ("HorizontalPodAutoscaler", self.spec.name)])
            if first := [x for key, x in self.changed.items() if not self._is_held(key)]:
                self.kubectl.apply(first, force=force)
            if ("Deployment", self.spec.name) not in self.live:
                self._hand_over(look(self.kubectl, self.spec.name).deployment)
            self._wait(self.spec.digest, until=until, progress=progress)
            self._route(force=force)
        except ClusterFault as e:
            if e.has_kind(REPLACED):
                raise e.after(f"{short(self.spec.digest)} does not stay") from e
            raise e.after(self._back(progress)) from e
        except BaseException:  # also an interrupt
            self._back(progress)
            raise
        self._delete(gone)

    def _is_held(self, key: Key) -> bool:
        """A route that is there brings its traffic elsewhere until all are ready."""
        return key[0] == "HTTPRoute" and key in self.live

    def _route(self, *, force: bool) -> None:
        """Have the route bring all here, and let it be heard of before others go."""
        held = {key: thing for key, thing in self.changed.items() if self._is_held(key)}
        if held:
            self.kubectl.apply(held.values(), force=force)
        if any(routed_share(self.live[key], self.spec.owner) is not None for key in held):
            time.sleep(HEARD)

    def _hand_over(self, deployment: Object | None) -> None:
        """Where the load decides how many pods there are, we keep our hands off their number.

        A field that its last owner lets go falls back to the default, one pod: so the number is
        given to a manager of its own first, and the autoscaler takes it from that one.
        """
        if deployment is None or not self.spec.scales:
            return
        replicas = self.spec.config.replicas
        now = int(deployment["spec"]["replicas"])
        number = max(replicas.min, min(now, replicas.max))
        if number == now and not owns(deployment, "spec.replicas"):
            return
        metadata = {k: deployment["metadata"][k] for k in ("name", "namespace")}
        part = {"apiVersion": deployment["apiVersion"], "kind": deployment["kind"]}
        part |= {"metadata": metadata, "spec": {"replicas": number}}
        self.kubectl.take(part, manager=SCALER)

    def _back(self, progress: Progress) -> str:
        """Apply again what was applied before, delete what was not there; returns how it stands."""
        failed = f"{short(self.spec.digest)} is not deployed"
        deployment = self.live.get(("Deployment", self.spec.name))
        try:
            progress.update("going back to what was there before")
            self._restore(deployment)
        except ClusterFault as e:
            return f"{failed}, and the way back failed ({e.message})"
        if deployment is None:
            return f"{failed}, and nothing of it is left"
        before = deployment["metadata"].get("labels", {}).get(VERSION, "the version before")
        return f"{failed}, {before} answers on"

    def _restore(self, deployment: Object | None) -> None:
        until = time.monotonic() + _BACK
        patient = replace(self, kubectl=self.kubectl.until(until))
        if self.live:
            patient.kubectl.apply((applied(thing) for thing in self.live.values()), force=True)
        patient._delete([key for key in self.wanted if key not in self.live])
        if deployment is not None:
            patient._wait(digest_of(deployment), until=until, progress=QUIET)

    def _wait(self, digest: str, *, until: float, progress: Progress) -> None:
        wait(self.kubectl, self.spec.name, digest=digest, until=until, progress=progress)

    def _delete(self, keys: list[Key]) -> None:
        """Delete objects of ours and wait until they, and their pods, are gone."""
        if keys:
            self.kubectl.run(
                "delete",
                *(f"{KINDS[kind][1]}/{name}" for kind, name in keys),
                "--ignore-not-found",
                "--cascade=foreground",
                f"--timeout={_DELETE_LIMIT:.0f}s",
                limit=_DELETE_LIMIT + 10,
            )
