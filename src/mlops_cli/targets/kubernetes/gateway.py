"""The Gateway that brings the traffic, and the two Deployments behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mlops_cli.config.sections.kubernetes import GatewayConfig
from mlops_cli.errors import MlopsError
from mlops_cli.progress import Progress
from mlops_cli.serving.rollouts.marked import Mark
from mlops_cli.targets.kubernetes.beside import bring, part_of
from mlops_cli.targets.kubernetes.faults import FORBIDDEN, GATEWAY, ClusterFault
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import KINDS, Key, Object, Spec, objects
from mlops_cli.targets.kubernetes.route import routed_share
from mlops_cli.targets.kubernetes.trial import try_weights

_CLASSES = "gatewayclasses.gateway.networking.k8s.io"
_GATEWAYS = KINDS["Gateway"][1]


def hold_to_gateway(kubectl: Kubectl, config: GatewayConfig) -> None:
    """Raise `ClusterFault` where the Gateway that is to be joined, or the class, is not there.

    Classes are the whole cluster's: where they may not be read, they are believed.
    """
    if config.name is not None:
        if not kubectl.named(f"{_GATEWAYS}/{config.name}"):
            raise ClusterFault(
                GATEWAY,
                f"there is no Gateway {config.name} in namespace {kubectl.namespace}",
                hint="deploy.kubernetes.gateway.name joins one that is there; without it, one of "
                "our own is made of `class`",
            )
        return
    try:
        found = [str(c["metadata"]["name"]) for c in kubectl.items([_CLASSES])]
    except ClusterFault as e:
        if e.has_kind(FORBIDDEN):
            return
        raise
    if config.class_ not in found:
        raise ClusterFault(
            GATEWAY,
            f"the cluster has no GatewayClass {config.class_}: it has "
            f"{', '.join(sorted(found)) or 'none'}",
            hint="set deploy.kubernetes.gateway.class; or deploy.kubernetes.router: process",
        )


def bring_by_route(
    kubectl: Kubectl,
    live: Mapping[Key, Object],
    specs: tuple[Spec, ...],
    until: float,
    progress: Progress,
    *,
    mark: Mark | None = None,
) -> None:
    """Have champion and candidate stand in two Deployments, and prove that a route divides, and
    brings testers, by their `mark`, to the candidate.

    The candidate gets nothing yet. Where this raises, nothing of it is left.
    """
    champion, candidate = specs
    route = live.get(("HTTPRoute", champion.name))
    share = routed_share(route, champion.name) if route is not None else None
    bring(kubectl, live, candidate, until, progress)
    try:
        bring(kubectl, live, replace(champion, share=share), until, progress)
        try_weights(kubectl, specs, mark, progress)
    except BaseException as e:
        if not part_of(live, candidate):
            _remove(kubectl, candidate, e)
        raise


def _remove(kubectl: Kubectl, spec: Spec, why: BaseException) -> None:
    things = [f"{KINDS[kind][1]}/{name}" for kind, name in objects(spec)]
    try:
        kubectl.run("delete", *things, "--ignore-not-found", "--wait=false")
    except ClusterFault as e:
        if isinstance(why, MlopsError):
            why.message += f"; what was brought could not be removed ({e.message})"
