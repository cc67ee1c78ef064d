"""The HTTPRoute that divides the traffic between two Deployments, by the weights of v1 alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from mlops_cli.serving.rollouts.marked import Mark
from mlops_cli.serving.rollouts.traffic import Traffic, parse_document
from mlops_cli.targets.base import Kept
from mlops_cli.targets.kubernetes.kubectl import Kubectl
from mlops_cli.targets.kubernetes.manifests import KINDS, PARTS, Object
from mlops_cli.targets.kubernetes.naming import DIGEST, candidate_name
from mlops_cli.targets.kubernetes.ownership import cleaned

ROUTE = KINDS["HTTPRoute"][1]


def share_of(traffic: Traffic | None) -> float:
    """The percentage that the candidate answers."""
    return 0.0 if traffic is None or traffic.mirror else traffic.percent


def parts_of(percent: float) -> int:
    """The same as a weight, of `PARTS`."""
    return round(percent * PARTS / 100)


def routed_share(route: Object, name: str) -> float | None:
    """What the route gives the candidate, in percent; None where it knows none."""
    weights = _weights(route, name)
    total = sum(weights.values())
    if candidate_name(name) not in weights or not total:
        return None
    return 100 * weights[candidate_name(name)] / total


def as_routed(kubectl: Kubectl, name: str, kept: Kept) -> Kept:
    """What is kept, with the share that the route has: somebody may have changed it by hand.

    While the champion is about to be replaced, the share is nobody's to compare.
    """
    try:
        document = parse_document(kept.document)
    except ValueError:
        return kept
    traffic = document.traffic
    if traffic is None:
        return kept
    route, champion = _standing(kubectl, name)
    if route is None or champion != traffic.champion:
        return kept
    share = routed_share(route, name) or 0.0
    if parts_of(share) == parts_of(share_of(traffic)):
        return kept
    routed = msgspec.structs.replace(traffic, percent=share, mirror=False)
    document = msgspec.structs.replace(document, traffic=routed)
    return Kept(msgspec.json.encode(document), kept.revision)


def divide(kubectl: Kubectl, name: str, port: int, traffic: Traffic | None) -> None:
    """Have the route give the candidate its share; nothing where no candidate is there.

    `port` is that of both Services.
    """
    route, champion = _standing(kubectl, name)
    if route is None:
        return
    known = candidate_name(name) in _weights(route, name)
    if known or (traffic is not None and champion == traffic.champion):
        told = traffic.testers if traffic is not None else None
        mark = told if isinstance(told, Mark) else None
        kubectl.apply([divided(route, name, port, share_of(traffic), mark)], force=True)


def divided(
    route: Object,
    name: str,
    port: int,
    percent: float,
    mark: Mark | None = None,
) -> Object:
    """A live route as it is to be applied, with other weights; what else it has, it keeps.

    What brings `mark` is the candidate's, whatever its weight.
    """
    weight = parts_of(percent)
    weights = {name: PARTS - weight, candidate_name(name): weight}
    backends = [{"name": n, "port": port, "weight": w} for n, w in weights.items()]
    rules = [r for r in route["spec"].get("rules", []) if not _is_testers(r, name)] or [{}]
    testers = [_testers(mark, backends[1])] if mark is not None else []
    rules = [*testers, rules[0] | {"backendRefs": backends}, *rules[1:]]
    return cleaned(route) | {"spec": route["spec"] | {"rules": rules}}


def with_testers(wanted: Object, live: Object, name: str) -> Object:
    """A route with the rule for testers that the live one has, if any."""
    found = [rule for rule in live["spec"].get("rules", []) if _is_testers(rule, name)]
    spec = wanted["spec"]
    return wanted | {"spec": spec | {"rules": [*found, *spec["rules"]]}}


def _testers(mark: Mark, candidate: Mapping[str, Any]) -> Object:
    """A rule that comes before the others, since it matches more."""
    name, value = (mark.header, mark.value) if mark.header else ("Cookie", f"^{mark.pattern}$")
    match = {"type": "Exact" if mark.header else "RegularExpression", "name": name, "value": value}
    return {"matches": [{"headers": [match]}], "backendRefs": [{**candidate, "weight": 1}]}


def _is_testers(rule: Mapping[str, Any], name: str) -> bool:
    backends = {backend["name"] for backend in rule.get("backendRefs", [])}
    by_header = any(match.get("headers") for match in rule.get("matches", []))
    return by_header and backends == {candidate_name(name)}


def _standing(kubectl: Kubectl, name: str) -> tuple[Object | None, str]:
    """The live route, and the digest that the champion's Deployment is to serve."""
    found = kubectl.named(f"{ROUTE}/{name}", f"deployments.apps/{name}")
    by_kind: Mapping[str, Any] = {thing["kind"]: thing for thing in found}
    deployment = by_kind.get("Deployment", {"metadata": {}})
    digest = deployment["metadata"].get("annotations", {}).get(DIGEST, "")
    return by_kind.get("HTTPRoute"), str(digest)


def _weights(route: Object, name: str) -> dict[str, int]:
    rules = [rule for rule in route["spec"].get("rules", []) if not _is_testers(rule, name)]
    backends = [backend for rule in rules for backend in rule.get("backendRefs", [])]
    return {b["name"]: int(b.get("weight", 1)) for b in backends}
