"""What a tick of a rollout may do in the namespace, as the rules of a Role: that and no more."""

from __future__ import annotations

from dataclasses import dataclass, field

from mlops_cli.targets.kubernetes.naming import (
    candidate_name,
    control_name,
    counts_name,
    rollout_name,
)

_READ = ("get", "list", "watch")
_GATEWAY = "gateway.networking.k8s.io"
_PARTS = {
    "": ("services", "serviceaccounts"),
    "apps": ("deployments",),
    "networking.k8s.io": ("networkpolicies",),
    "policy": ("poddisruptionbudgets",),
    "autoscaling": ("horizontalpodautoscalers",),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a Role; with `names` of those objects alone."""

    group: str
    resources: list[str]
    verbs: list[str]
    names: list[str] = field(default_factory=list)


def tick_rights(name: str, *, routed: bool, logged: bool) -> list[Rule]:
    """The rules for the deployment `name`; `logged`: the judge reads the pods' prediction log."""
    maps = [rollout_name(name), counts_name(name)]
    rules = [
        Rule("", ["configmaps"], ["get", "update", "patch"], maps),
        Rule("", ["configmaps"], ["create"]),  # of one that somebody deleted
        Rule("", ["secrets"], ["get"], [control_name(name)]),
        Rule("", ["pods", "events"], list(_READ)),
        Rule("apps", ["replicasets"], list(_READ)),
        *(Rule(group, list(kinds), list(_READ)) for group, kinds in _PARTS.items()),
        Rule("apps", ["deployments"], ["patch"], [name]),  # the end
    ]
    if routed:
        candidate = [candidate_name(name)]
        rules += [
            Rule(_GATEWAY, ["gateways", "httproutes"], list(_READ)),
            Rule(_GATEWAY, ["httproutes"], ["patch"], [name]),
            *(Rule(group, list(kinds), ["delete"], candidate) for group, kinds in _PARTS.items()),
        ]
    if logged:
        rules.append(Rule("", ["pods/exec"], ["create", "get"]))
    return rules
